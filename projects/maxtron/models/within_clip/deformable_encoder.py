# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention that tracks within a clip.

Deformable attention looks around inside each frame, axial-trajectory
attention connects the frames of the coarse levels.
"""

from collections.abc import Sequence

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import Mask2FormerTransformerEncoder
from mmdet.models.layers.transformer.deformable_detr_layers import (
    DeformableDetrTransformerEncoderLayer,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .axial_trajectory_encoder import AxialTrajectoryEncoder


class TemporalMixin:
    """Axial-trajectory layers over the first levels of a token sequence.

    A mix-in rather than a sub-module, so that its parameters keep the names
    that the reference gives them.
    """

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
            gamma_init (float): Initial ``gamma``: next to nothing, so that an
                image model starts undisturbed. Defaults to 1e-6.
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
        """Let the frames of a clip exchange information.

        Args:
            tokens (Tensor): Tokens of all levels, from low to high
                resolution, shape (B * T, sum of h * w, C).
            temporal_pos (Sequence[Tensor]): Positional encoding of each of
                the first levels, shape (1, T, h, w, C). Levels beyond these
                pass unchanged.

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


class AxialTrajectoryDeformableAttention(
    TemporalMixin, MultiScaleDeformableAttention
):
    """Deformable attention with axial-trajectory layers inside.

    They sit where the reference has them: after the sampling, before the
    output projection. Initialisation, parameters and the CUDA kernel are
    those of MMCV's :class:`MultiScaleDeformableAttention`.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`.
        **kwargs: Arguments of :class:`MultiScaleDeformableAttention`.
    """

    def __init__(self, temporal_cfg: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.init_temporal(num_heads=self.num_heads, **temporal_cfg)

    def forward(
        self, *args, temporal_pos: Sequence[Tensor] = (), **kwargs
    ) -> Tensor:
        """Forward function, with the arguments of MMCV's class.

        Args:
            *args: As for the parent class.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.
            **kwargs: As for the parent class.

        Returns:
            Tensor: Output with the shape of the query.
        """
        # The parent leaves no other way in between sampling and projection.
        with self.output_proj.register_forward_pre_hook(
            lambda _, inputs: (self.track(*inputs, temporal_pos),)
        ):
            return super().forward(*args, **kwargs)


class _CheckpointedLayer:
    """Computes itself again in the backward pass if ``with_cp`` is set."""

    with_cp = False

    def forward(self, *args, **kwargs) -> Tensor:
        """Forward function, with the arguments of :meth:`_forward`."""
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint(
                self._forward, *args, use_reentrant=False, **kwargs
            )
        return self._forward(*args, **kwargs)

    def _forward(self, *args, **kwargs) -> Tensor:
        """Forward function of the layer that this is mixed into."""
        return super().forward(*args, **kwargs)


class AxialTrajectoryDeformableEncoderLayer(
    _CheckpointedLayer, TemporalMixin, DeformableDetrTransformerEncoderLayer
):
    """Encoder layer of deformable attention that tracks within a clip.

    Args:
        temporal_cfg (dict, optional): Arguments of
            :meth:`TemporalMixin.init_temporal` and ``position``: 'inside' (as
            in the reference code for instances: in the deformable attention,
            before its output projection; the default) or 'after' (as in the
            paper: after the whole layer). None: a layer that does not track.
        **kwargs: Arguments of MMDetection's encoder layer.

    Raises:
        ValueError: ``position`` is neither of these.
    """

    def __init__(self, temporal_cfg: dict | None, **kwargs) -> None:
        if temporal_cfg is None:
            temporal_cfg = dict(position=None)
        self.temporal_cfg = dict(temporal_cfg)
        self.position = self.temporal_cfg.pop('position', 'inside')
        if self.position not in ('inside', 'after', None):
            raise ValueError(
                f'position={self.position!r} of the temporal '
                "layers is unknown. Choose 'inside' or 'after'."
            )
        super().__init__(**kwargs)

    def _init_layers(self) -> None:
        """Initialize attention, FFN, norms and temporal layers."""
        super()._init_layers()
        if self.position == 'after':
            self.init_temporal(
                num_heads=self.self_attn.num_heads, **self.temporal_cfg
            )
        elif self.position == 'inside':
            self.self_attn = AxialTrajectoryDeformableAttention(
                self.temporal_cfg, **self.self_attn_cfg
            )

    def _forward(
        self, *args, temporal_pos: Sequence[Tensor] = (), **kwargs
    ) -> Tensor:
        """Forward function, with the arguments of the parent class.

        ``temporal_pos`` is described in :meth:`TemporalMixin.track`.
        """
        if self.position == 'inside':
            return super()._forward(*args, temporal_pos=temporal_pos, **kwargs)
        out = super()._forward(*args, **kwargs)
        return out if self.position is None else self.track(out, temporal_pos)


class TemporalEncoderLayer(_CheckpointedLayer, TemporalMixin, nn.Module):
    """Encoder layer that only tracks, without deformable attention.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`;
            its ``position`` says nothing here.
        embed_dims (int): Number of channels C.
        num_heads (int): Number of attention heads. Defaults to 8.
    """

    def __init__(
        self, temporal_cfg: dict, embed_dims: int, num_heads: int = 8
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        temporal_cfg = dict(temporal_cfg)
        temporal_cfg.pop('position', None)
        self.init_temporal(num_heads=num_heads, **temporal_cfg)

    def _forward(
        self, query: Tensor, temporal_pos: Sequence[Tensor], **kwargs
    ) -> Tensor:
        """Forward function; all else that encoder layers take is unused."""
        return self.track(query, temporal_pos)


class AxialTrajectoryDeformableEncoder(Mask2FormerTransformerEncoder):
    """Mask2Former's encoder with layers that track within a clip.

    It has ``num_layers`` blocks of ``num_spatial_layers`` layers of
    deformable attention, of which the last one tracks as well. Its forward
    function takes ``temporal_pos`` besides the arguments of the parent class,
    which passes it on to the layers. ``num_cp`` blocks are checkpointed (with
    PyTorch's own checkpointing, so fairscale is not needed).

    Args:
        temporal_cfg (dict, optional): See
            :class:`AxialTrajectoryDeformableEncoderLayer`.
        num_spatial_layers (int): Layers of deformable attention in a block.
            With 0 a block only tracks. Defaults to 1.
        **kwargs: Arguments of :class:`Mask2FormerTransformerEncoder`.

    Raises:
        ValueError: A block would have no layer at all.
    """

    def __init__(
        self, temporal_cfg: dict | None, num_spatial_layers: int = 1, **kwargs
    ) -> None:
        if num_spatial_layers < (temporal_cfg is None):
            raise ValueError(
                f'With num_spatial_layers={num_spatial_layers} and no '
                'temporal layers the encoder has nothing to do.'
            )
        self.temporal_cfg = temporal_cfg
        self.num_spatial_layers = num_spatial_layers
        super().__init__(**kwargs)

    def _init_layers(self) -> None:
        """Initialize the layers."""
        self.layers = nn.ModuleList()
        for _ in range(self.num_layers):
            self.layers.extend(
                AxialTrajectoryDeformableEncoderLayer(None, **self.layer_cfg)
                for _ in range(self.num_spatial_layers - 1)
            )
            self.layers.append(self._last_of_block())
        block_size = max(self.num_spatial_layers, 1)
        for layer in self.layers[: max(self.num_cp, 0) * block_size]:
            layer.with_cp = True
        self.embed_dims = self.layers[0].embed_dims

    def _last_of_block(self) -> nn.Module:
        """The layer that tracks."""
        if self.num_spatial_layers > 0:
            return AxialTrajectoryDeformableEncoderLayer(
                self.temporal_cfg, **self.layer_cfg
            )
        attn_cfg = self.layer_cfg.self_attn_cfg
        return TemporalEncoderLayer(
            self.temporal_cfg,
            attn_cfg.embed_dims,
            attn_cfg.get('num_heads', 8),
        )
