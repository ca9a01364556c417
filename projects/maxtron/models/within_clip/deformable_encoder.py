# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention that tracks within a clip.

Deformable attention works inside each frame. Axial-trajectory attention
connects the frames of the coarse levels.
"""

from collections.abc import Callable, Sequence

import torch
from mmdet.models.layers import Mask2FormerTransformerEncoder
from mmdet.models.layers.transformer.deformable_detr_layers import (
    DeformableDetrTransformerEncoderLayer,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError
from ..layers.ms_deform_attn import check_implementation
from .deformable_attention import DeformableAttention
from .temporal_mixin import TemporalMixin
from .token_grid import TokenGrid


class AxialTrajectoryDeformableAttention(TemporalMixin, DeformableAttention):
    """Deformable attention with axial-trajectory layers inside.

    The layers follow the sampling and precede the output projection, as in
    the reference.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`.
        **kwargs: Arguments of :class:`DeformableAttention`.
    """

    def __init__(self, temporal_cfg: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.init_temporal(num_heads=self.num_heads, **temporal_cfg)


class _CheckpointedLayer:
    """Mix-in that recomputes a layer in the backward pass (``with_cp``)."""

    with_cp = False
    training: bool
    _forward: Callable[..., Tensor]

    def forward(self, *args, **kwargs) -> Tensor:
        """Call :meth:`_forward`, checkpointed in training if asked for."""
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint(
                self._forward, *args, use_reentrant=False, **kwargs
            )
        return self._forward(*args, **kwargs)


class AxialTrajectoryDeformableEncoderLayer(
    _CheckpointedLayer, TemporalMixin, DeformableDetrTransformerEncoderLayer
):
    """Encoder layer of deformable attention that tracks within a clip.

    Args:
        temporal_cfg (dict, optional): Arguments of
            :meth:`TemporalMixin.init_temporal`, and ``position``: 'inside'
            the deformable attention, before its output projection (the
            default, as in the reference code for instances), or 'after' the
            whole layer (as in the paper). None: the layer does not track.
        **kwargs: Arguments of MMDetection's encoder layer.

    Raises:
        InputError: If ``position`` is neither 'inside' nor 'after'.
    """

    self_attn: nn.Module

    def __init__(self, temporal_cfg: dict | None, **kwargs) -> None:
        if temporal_cfg is None:
            temporal_cfg = dict(position=None)
        self.temporal_cfg = dict(temporal_cfg)
        self.position = self.temporal_cfg.pop('position', 'inside')
        if self.position not in ('inside', 'after', None):
            raise InputError(
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
        if self.position == 'inside':
            self.self_attn = AxialTrajectoryDeformableAttention(
                self.temporal_cfg, **self.self_attn_cfg
            )
        else:
            self.self_attn = DeformableAttention(**self.self_attn_cfg)

    def _forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        grid: TokenGrid,
        temporal_pos: Sequence[Tensor] = (),
    ) -> Tensor:
        """Deformable attention, norm, FFN, norm; tracking inside or after.

        Args:
            query (Tensor): Tokens of all levels, shape (B * T, N, C).
            query_pos (Tensor): Their positional encoding, broadcasts to
                (B * T, N, C).
            grid (TokenGrid): Places of the tokens.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.

        Returns:
            Tensor: Tokens with shape (B * T, N, C).
        """
        inside = temporal_pos if self.position == 'inside' else ()
        query = self.self_attn(query, query_pos, grid, inside)
        query = self.norms[0](query)
        query = self.norms[1](self.ffn(query))
        if self.position == 'after':
            query = self.track(query, temporal_pos)
        return query


class TemporalEncoderLayer(_CheckpointedLayer, TemporalMixin, nn.Module):
    """Encoder layer that only tracks, without deformable attention.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`;
            ``position`` is ignored.
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
        self,
        query: Tensor,
        query_pos: Tensor,
        grid: TokenGrid,
        temporal_pos: Sequence[Tensor] = (),
    ) -> Tensor:
        """Track the tokens.

        Args:
            query (Tensor): Tokens of all levels, shape (B * T, N, C).
            query_pos (Tensor): Not used.
            grid (TokenGrid): Not used.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.

        Returns:
            Tensor: Tokens with shape (B * T, N, C).
        """
        return self.track(query, temporal_pos)


class AxialTrajectoryDeformableEncoder(Mask2FormerTransformerEncoder):
    """Mask2Former's encoder with layers that track within a clip.

    The encoder consists of ``num_layers`` blocks. A block has
    ``num_spatial_layers`` layers of deformable attention, and its last layer
    also tracks. ``num_cp`` blocks are checkpointed by PyTorch (the parent
    class needs fairscale for it).

    Args:
        temporal_cfg (dict, optional): See
            :class:`AxialTrajectoryDeformableEncoderLayer`.
        num_spatial_layers (int): Layers of deformable attention in a block.
            With 0 a block only tracks. Defaults to 1.
        implementation (str, optional): Implementation of the deformable
            attention: 'auto', 'triton', 'torch' or 'mmcv', see
            :func:`~projects.maxtron.models.layers.ms_deform_attn.choice.choose_implementation`.
            Defaults to None: that of the environment variable
            ``MAXTRON_MSDA``, or else 'auto'.
        **kwargs: Arguments of :class:`Mask2FormerTransformerEncoder`.

    Raises:
        InputError: If a block has no layer, or the implementation is unknown
            or not installed.
    """

    def __init__(
        self,
        temporal_cfg: dict | None,
        num_spatial_layers: int = 1,
        implementation: str | None = None,
        **kwargs,
    ) -> None:
        if num_spatial_layers < 0 or (
            num_spatial_layers == 0 and temporal_cfg is None
        ):
            raise InputError(
                f'With num_spatial_layers={num_spatial_layers} and no '
                'temporal layers the encoder has nothing to do.'
            )
        self.temporal_cfg = temporal_cfg
        self.num_spatial_layers = num_spatial_layers
        self.implementation = check_implementation(implementation)
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
        for module in self.layers.modules():
            if isinstance(module, DeformableAttention):
                module.implementation = self.implementation
        self.embed_dims = self.layers[0].embed_dims

    def _last_of_block(self) -> nn.Module:
        """Build the last layer of a block, which tracks."""
        if self.num_spatial_layers > 0:
            return AxialTrajectoryDeformableEncoderLayer(
                self.temporal_cfg, **self.layer_cfg
            )
        attn_cfg = self.layer_cfg.self_attn_cfg
        return TemporalEncoderLayer(
            self.temporal_cfg or {},
            attn_cfg.embed_dims,
            attn_cfg.get('num_heads', 8),
        )

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        grid: TokenGrid,
        temporal_pos: Sequence[Tensor] = (),
    ) -> Tensor:
        """Call the layers in order.

        Args:
            query (Tensor): Tokens of all levels, from low to high resolution,
                shape (B * T, N, C).
            query_pos (Tensor): Their positional encoding, broadcasts to
                (B * T, N, C).
            grid (TokenGrid): Places of the tokens.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.

        Returns:
            Tensor: Tokens with shape (B * T, N, C).
        """
        for layer in self.layers:
            query = layer(query, query_pos, grid, temporal_pos)
        return query
