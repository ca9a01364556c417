# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel decoder of Tube-Link with within-clip tracking."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    SinePositionalEncoding3D,
)
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import normal_init
from torch import Tensor, nn

from ...errors import InputError
from ..layers import SizeCache, sine_positions
from .deformable_encoder import AxialTrajectoryDeformableEncoder
from .token_grid import TokenGrid, make_token_grid
from .trajectory_attention import SelfAttention, TrajectoryAttention


class _Positions(NamedTuple):
    """Positions of the tokens of a clip, without the parameters of levels.

    Attributes:
        grid (TokenGrid): Places of the tokens in their frame.
        spatial (list[Tensor]): 2D sine encoding of each encoder level, shape
            (h * w, C).
        temporal (list[Tensor]): 3D sine encoding of each temporal level,
            shape (1, T, h, w, C).
    """

    grid: TokenGrid
    spatial: list[Tensor]
    temporal: list[Tensor]


@MODELS.register_module()
class AxialTrajectoryPixelDecoder(MSDeformAttnPixelDecoder):
    """MSDeformAttn pixel decoder with axial-trajectory attention.

    In every encoder layer the frames of a clip exchange information on the
    coarsest levels, see :class:`AxialTrajectoryDeformableEncoderLayer`.
    Without ``temporal_cfg`` it is MMDetection's pixel decoder.

    Args:
        temporal_cfg (dict, optional): ``num_levels`` (int): number of levels
            with tracking, counted from the coarsest (default 2: strides 32 and
            16), and the arguments of the temporal layers: ``position``
            ('inside' or 'after'), ``skip_connect``, ``num_layers``,
            ``feedforward_channels``, ``drop``, ``attn_type``. Defaults to
            None.
        encoder (dict): Arguments of
            :class:`AxialTrajectoryDeformableEncoder`.
        positional_encoding (dict): Config of both sine encodings, 2D and 3D.
        **kwargs: Arguments of :class:`MSDeformAttnPixelDecoder`.

    Raises:
        InputError: If there are fewer encoder levels than temporal levels.
    """

    def __init__(
        self,
        temporal_cfg: dict | None = None,
        encoder: dict | None = None,
        positional_encoding: dict = dict(num_feats=128, normalize=True),
        **kwargs,
    ) -> None:
        encoder = ConfigDict(encoder)
        super().__init__(
            # replaced below
            encoder=ConfigDict(num_layers=1, layer_cfg=encoder.layer_cfg),
            positional_encoding=positional_encoding,
            **kwargs,
        )
        temporal_cfg = dict(temporal_cfg or dict(num_levels=0))
        num_levels = temporal_cfg.pop('num_levels', 2)
        self.num_temporal_levels = num_levels
        if not 0 <= num_levels <= self.num_encoder_levels:
            raise InputError(
                f'temporal_cfg.num_levels={num_levels} is not between 0 and '
                f'the number of encoder levels, {self.num_encoder_levels}.'
            )
        self.encoder = AxialTrajectoryDeformableEncoder(
            temporal_cfg if num_levels > 0 else None, **encoder
        )
        self.level_3d_encoding = None
        if num_levels > 0:
            self.positional_encoding_3d = SinePositionalEncoding3D(
                **positional_encoding
            )
            self.level_3d_encoding = nn.Embedding(
                num_levels, self.encoder.embed_dims
            )
        self._positions = SizeCache(self._make_positions)

    @property
    def tracks_within_clip(self) -> bool:
        """bool: Whether there are temporal layers."""
        return self.num_temporal_levels > 0

    def init_weights(self) -> None:
        """Initialize weights.

        The parent initializes the matrices of the encoder by a Xavier-normal
        distribution, and the deformable attentions as MMCV does: the offsets
        point around the reference point. (By an oversight, the reference
        initializes the offsets of the attention in temporal layers by
        Xavier-normal. A pre-trained checkpoint hides it.)
        """
        super().init_weights()
        if self.num_temporal_levels > 0:
            normal_init(self.level_3d_encoding, mean=0, std=1)
        self._init_encoder(nn.init.xavier_normal_)

    def _init_encoder(self, init: Callable[[Tensor], Tensor]) -> None:
        """Initialize the encoder, its matrices with ``init``."""
        for weight in (p for p in self.encoder.parameters() if p.dim() > 1):
            init(weight)
        for module in self.encoder.modules():
            # The fused weights consist of several matrices.
            if isinstance(module, (SelfAttention, TrajectoryAttention)):
                module.init_weights(init)
            elif isinstance(module, MultiScaleDeformableAttention):
                module.init_weights()

    def forward(
        self, feats: list[Tensor], num_frames: int
    ) -> tuple[Tensor, list[Tensor]]:
        """Forward function.

        Args:
            feats (list[Tensor]): Feature maps of each level from high to low
                resolution, each with shape (B * T, c, h, w). The frames of a
                clip are consecutive.
            num_frames (int): Number of frames T of a clip. It may vary.

        Returns:
            tuple: Mask features with shape (B * T, C, h, w) at the highest
            resolution, and the multi-scale features, a list of tensors with
            shape (B * T, C, h_i, w_i) from low to high resolution.

        Raises:
            ValueError: If the batch is not a whole number of clips.
        """
        batch_size = len(feats[0])
        if num_frames < 1 or batch_size % num_frames != 0:
            raise ValueError(
                f'A batch of {batch_size} frames cannot be divided into clips '
                f'of num_frames={num_frames}.'
            )
        levels = feats[::-1]  # from low to high resolution
        encoded = levels[: self.num_encoder_levels]
        positions: _Positions = self._positions(
            tuple((x.shape[2], x.shape[3]) for x in encoded),
            num_frames,
            feats[0].device,
        )
        tokens = [
            project(x).flatten(2).transpose(1, 2)
            for project, x in zip(self.input_convs, encoded)
        ]
        memory = self.encoder(
            torch.cat(tokens, 1),
            torch.cat(_add_each(positions.spatial, self.level_encoding)),
            positions.grid,
            _add_each(positions.temporal, self.level_3d_encoding),
        )  # (B * T, N, C)
        return self._fuse(memory, levels)

    def _make_positions(
        self,
        spatial_shapes: Sequence[tuple[int, int]],
        num_frames: int,
        device: torch.device,
    ) -> _Positions:
        """Compute the positions in clips of one size.

        Args:
            spatial_shapes (Sequence[tuple[int, int]]): Height and width of
                each encoder level, from low to high resolution.
            num_frames (int): T.
            device (torch.device): Device of the tensors.

        Returns:
            _Positions: The positions.
        """
        return _Positions(
            make_token_grid(spatial_shapes, device),
            [
                # MMDetection misspells the name of this module.
                sine_positions(self.postional_encoding, shape, device).flatten(
                    0, 1
                )
                for shape in spatial_shapes
            ],
            [
                sine_positions(
                    self.positional_encoding_3d, (num_frames, *shape), device
                )[None]
                for shape in spatial_shapes[: self.num_temporal_levels]
            ],
        )

    def _fuse(
        self, memory: Tensor, levels: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Convert tokens to feature maps and add finer levels by an FPN.

        Args:
            memory (Tensor): Output of the encoder, shape (B * T, N, C).
            levels (Sequence[Tensor]): Feature maps from low to high
                resolution, each with shape (B * T, c, h, w).

        Returns:
            tuple: See :meth:`forward`.
        """
        sizes = [feat.shape[-2:] for feat in levels[: self.num_encoder_levels]]
        parts = memory.transpose(1, 2).split([h * w for h, w in sizes], -1)
        # contiguous for the convolutions that follow
        outs = [
            part.reshape(*part.shape[:2], *size)
            for part, size in zip(parts, sizes)
        ]  # each (B * T, C, h, w)
        for lateral, output, feat in zip(
            self.lateral_convs,
            self.output_convs,
            levels[self.num_encoder_levels :],
        ):
            skip = lateral(feat)
            upsampled = F.interpolate(
                outs[-1], skip.shape[-2:], mode='bilinear', align_corners=False
            )
            outs.append(output(skip + upsampled))
        return self.mask_feature(outs[-1]), outs[: self.num_outs]


def _add_each(
    sines: list[Tensor], levels: nn.Embedding | None
) -> list[Tensor]:
    """Add the parameters of each level to its sine encoding."""
    if levels is None:
        return []
    return [sine + level for sine, level in zip(sines, levels.weight)]
