# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention that tracks within a clip.

Deformable attention looks around inside each frame, axial-trajectory
attention connects the frames of the coarse levels.
"""
from typing import Optional, Sequence

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from mmdet.models.layers import Mask2FormerTransformerEncoder
from mmdet.models.layers.transformer.deformable_detr_layers import (
    DeformableDetrTransformerEncoderLayer,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..._mmcv_lite import has_compiled_operators
from .axial_trajectory_encoder import AxialTrajectoryEncoder


class TemporalMixin:
    """Axial-trajectory layers over the first levels of a token sequence.

    A mix-in rather than a sub-module, so that its parameters keep the names
    that the reference gives them.
    """

    def init_temporal(self,
                      num_layers: int = 1,
                      skip_connect: bool = True,
                      gamma_init: float = 1e-6,
                      **layer_cfg) -> None:
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
            num_layers, embed_dims=self.embed_dims, **layer_cfg)
        self.gamma = None
        if skip_connect:
            self.gamma = nn.Parameter(
                torch.full((self.embed_dims, ), gamma_init))

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
            tracked.append(out if self.gamma is None else level +
                           self.gamma * out)
        return torch.cat([*tracked, rest], dim=1)


class AxialTrajectoryDeformableAttention(TemporalMixin,
                                         MultiScaleDeformableAttention):
    """Deformable attention with axial-trajectory layers inside.

    They sit where the reference has them: after the sampling, before the
    output projection. Initialisation, parameters and the CUDA kernel are
    those of MMCV's :class:`MultiScaleDeformableAttention`.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`.
        **kwargs: Arguments of :class:`MultiScaleDeformableAttention`;
            ``batch_first`` must be True.
    """

    def __init__(self, temporal_cfg: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        if not self.batch_first:
            raise ValueError('AxialTrajectoryDeformableAttention needs '
                             'batch_first=True.')
        self.init_temporal(num_heads=self.num_heads, **temporal_cfg)

    def forward(self,
                query: Tensor,
                key: Optional[Tensor] = None,
                value: Optional[Tensor] = None,
                identity: Optional[Tensor] = None,
                query_pos: Optional[Tensor] = None,
                key_padding_mask: Optional[Tensor] = None,
                reference_points: Optional[Tensor] = None,
                spatial_shapes: Optional[Tensor] = None,
                level_start_index: Optional[Tensor] = None,
                temporal_pos: Sequence[Tensor] = (),
                **kwargs) -> Tensor:
        """Forward function, with the arguments of MMCV's class.

        Args:
            query (Tensor): Tokens with shape (B * T, sum of h * w, C).
            key (Tensor, optional): Not used, as in the parent class.
            value (Tensor, optional): Tokens that are sampled, the shape of
                ``query``. Defaults to ``query``.
            identity (Tensor, optional): What the output is added to.
                Defaults to ``query``.
            query_pos (Tensor, optional): Added to the query.
            key_padding_mask (Tensor, optional): True where there is nothing
                to sample, shape (B * T, sum of h * w).
            reference_points (Tensor): Points (x, y) from 0 to 1, shape
                (B * T, sum of h * w, levels, 2).
            spatial_shapes (Tensor): (h, w) of each level, shape (levels, 2).
            level_start_index (Tensor): First token of each level, (levels, ).
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.
            **kwargs: Not used; encoder layers pass more than is needed.

        Returns:
            Tensor: Output with the shape of ``query``.
        """
        value = self.value_proj(query if value is None else value)
        if key_padding_mask is not None:
            value = value.masked_fill(key_padding_mask[..., None], 0.)
        identity = query if identity is None else identity
        if query_pos is not None:
            query = query + query_pos

        heads, levels, points = (self.num_heads, self.num_levels,
                                 self.num_points)
        weights = self.attention_weights(query).unflatten(
            -1, (heads, levels * points)).softmax(-1)
        offsets = self.sampling_offsets(query).unflatten(
            -1, (heads, levels, points, 2))
        size_wh = spatial_shapes.flip(-1)[:, None]  # (levels, 1, 2)
        locations = reference_points[:, :, None, :, None] + offsets / size_wh
        inputs = (locations, weights.unflatten(-1, (levels, points)))
        value = value.unflatten(-1, (heads, -1))
        if value.is_cuda and has_compiled_operators():
            out = MultiScaleDeformableAttnFunction.apply(
                value, spatial_shapes, level_start_index, *inputs,
                self.im2col_step)
        else:
            out = multi_scale_deformable_attn_pytorch(value, spatial_shapes,
                                                      *inputs)
        out = self.output_proj(self.track(out, temporal_pos))
        return self.dropout(out) + identity


class AxialTrajectoryDeformableEncoderLayer(
        TemporalMixin, DeformableDetrTransformerEncoderLayer):
    """Encoder layer of deformable attention that tracks within a clip.

    Args:
        temporal_cfg (dict): Arguments of :meth:`TemporalMixin.init_temporal`
            and ``position``: 'inside' (as in the reference code: in the
            deformable attention, before its output projection; the default)
            or 'after' (as in the paper: after the whole layer).
        **kwargs: Arguments of MMDetection's encoder layer.

    Raises:
        ValueError: ``position`` is neither of these.
    """

    def __init__(self, temporal_cfg: dict, **kwargs) -> None:
        self.temporal_cfg = dict(temporal_cfg)
        self.position = self.temporal_cfg.pop('position', 'inside')
        self.with_cp = False
        if self.position not in ('inside', 'after'):
            raise ValueError(f'position={self.position!r} of the temporal '
                             "layers is unknown. Choose 'inside' or 'after'.")
        super().__init__(**kwargs)

    def _init_layers(self) -> None:
        """Initialize attention, FFN, norms and temporal layers."""
        super()._init_layers()
        if self.position == 'after':
            self.init_temporal(
                num_heads=self.self_attn.num_heads, **self.temporal_cfg)
        else:
            self.self_attn = AxialTrajectoryDeformableAttention(
                self.temporal_cfg, **self.self_attn_cfg)

    def forward(self, *args, **kwargs) -> Tensor:
        """Forward function, with the arguments of the parent class.

        ``temporal_pos`` is described in :meth:`TemporalMixin.track`.
        """
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint(
                self._forward, *args, use_reentrant=False, **kwargs)
        return self._forward(*args, **kwargs)

    def _forward(self,
                 *args,
                 temporal_pos: Sequence[Tensor] = (),
                 **kwargs) -> Tensor:
        if self.position == 'inside':
            return super().forward(*args, temporal_pos=temporal_pos, **kwargs)
        return self.track(super().forward(*args, **kwargs), temporal_pos)


class AxialTrajectoryDeformableEncoder(Mask2FormerTransformerEncoder):
    """Mask2Former's encoder with layers that track within a clip.

    Its forward function takes ``temporal_pos`` besides the arguments of the
    parent class, which passes it on to the layers. ``num_cp`` layers are
    checkpointed (with PyTorch's own checkpointing, so fairscale is not
    needed).

    Args:
        temporal_cfg (dict): See
            :class:`AxialTrajectoryDeformableEncoderLayer`.
        **kwargs: Arguments of :class:`Mask2FormerTransformerEncoder`.
    """

    def __init__(self, temporal_cfg: dict, **kwargs) -> None:
        self.temporal_cfg = temporal_cfg
        super().__init__(**kwargs)

    def _init_layers(self) -> None:
        """Initialize the layers."""
        self.layers = nn.ModuleList(
            AxialTrajectoryDeformableEncoderLayer(self.temporal_cfg,
                                                  **self.layer_cfg)
            for _ in range(self.num_layers))
        for layer in self.layers[:max(self.num_cp, 0)]:
            layer.with_cp = True
        self.embed_dims = self.layers[0].embed_dims
