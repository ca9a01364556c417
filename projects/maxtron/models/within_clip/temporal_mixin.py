# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .axial_trajectory_encoder import AxialTrajectoryEncoder


class TemporalMixin:
    """Axial-trajectory layers over the first levels of a token sequence.

    A mix-in, unlike a sub-module, preserves the parameter names of the
    reference.
    """

    embed_dims: int

    def init_temporal(
        self,
        num_layers: int = 1,
        skip_connect: bool = True,
        gamma_init: float = 1e-6,
        **layer_cfg,
    ) -> None:
        """Create the layers, shared by all temporal levels.

        Args:
            num_layers (int): Number of axial-trajectory layers. Defaults
                to 1.
            skip_connect (bool): Whether to add the output of the layers,
                scaled by a learnt ``gamma`` per channel, to their input
                instead of replacing it. Defaults to True.
            gamma_init (float): Initial ``gamma``. A small value preserves the
                features of a pre-trained image model. Defaults to 1e-6.
            **layer_cfg: Arguments of :class:`AxialTrajectoryLayer`.
        """
        self.temporal_layers = AxialTrajectoryEncoder(
            num_layers, embed_dims=self.embed_dims, **layer_cfg
        )
        self.gamma = None
        if skip_connect:
            self.gamma = nn.Parameter(
                torch.full((self.embed_dims,), gamma_init)
            )

    def track(self, tokens: Tensor, temporal_pos: Sequence[Tensor]) -> Tensor:
        """Exchange information between the frames of a clip.

        Args:
            tokens (Tensor): Tokens of all levels, from low to high
                resolution, shape (B * T, sum of h * w, C).
            temporal_pos (Sequence[Tensor]): Positional encoding of each of
                the first levels, shape (1, T, h, w, C). Further levels are not
                changed.

        Returns:
            Tensor: Tokens with the same shape.
        """
        if len(temporal_pos) == 0:
            return tokens
        sizes = [pos.shape[2] * pos.shape[3] for pos in temporal_pos]
        rest = tokens.shape[1] - sum(sizes)
        *levels, rest = tokens.split([*sizes, rest], dim=1)
        tracked = []
        for level, pos in zip(levels, temporal_pos):
            maps = level.reshape(-1, *pos.shape[1:])  # (B, T, h, w, C)
            out = self.temporal_layers(maps, pos).view(level.shape)
            tracked.append(
                out if self.gamma is None else level + self.gamma * out
            )
        return torch.cat([*tracked, rest], dim=1)
