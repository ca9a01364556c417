# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention, on CPUs without a compiled operator."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttention,
    MultiScaleDeformableAttnFunction,
)
from torch import Tensor


def sample_levels(
    value: Tensor, spatial_shapes: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Sample maps of several levels and sum the samples with weights.

    The result is that of MMCV's ``multi_scale_deformable_attn_pytorch``. The
    points are an outer axis here, over which sums are fast, and levels are
    added one by one, which takes less memory.

    Args:
        value (Tensor): Tokens of all L levels, shape (B, N, h, d), with N the
            sum of the sizes of the levels.
        spatial_shapes (Tensor): Height and width of each level, (L, 2).
        locations (Tensor): Points (x, y) to sample, between 0 and 1 within a
            map, shape (B, Q, h, L, P, 2).
        weights (Tensor): Weight of each point, shape (B, Q, h, L, P).

    Returns:
        Tensor: Shape (B, Q, h * d).
    """
    shapes = spatial_shapes.tolist()
    maps = value.permute(0, 2, 3, 1).flatten(0, 1)  # (B * h, d, N)
    levels = maps.split([height * width for height, width in shapes], 2)
    grids = (2 * locations - 1).permute(3, 0, 2, 4, 1, 5)
    grids = grids.flatten(1, 2)  # (L, B * h, P, Q, 2)
    weights = weights.permute(3, 0, 2, 4, 1).flatten(1, 2)  # (L, B * h, P, Q)
    sums = []
    for shape, level, grid, weight in zip(shapes, levels, grids, weights):
        samples = F.grid_sample(
            level.unflatten(2, shape), grid, align_corners=False
        )  # (B * h, d, P, Q)
        sums.append((samples * weight[:, None]).sum(2))
    out = sum(sums[1:], sums[0])  # (B * h, d, Q)
    return out.view(len(value), -1, out.shape[2]).transpose(1, 2)


class DeformableAttention(MultiScaleDeformableAttention):
    """Multi-scale deformable attention with room for tracking inside.

    Initialisation, parameters, result and the CUDA kernel are those of MMCV's
    :class:`MultiScaleDeformableAttention`.
    """

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        query_pos: Tensor,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor,
        key_padding_mask: Tensor | None = None,
        temporal_pos: Sequence[Tensor] = (),
        **kwargs,
    ) -> Tensor:
        """Sample inside each frame, call :meth:`track`, project.

        Args:
            query (Tensor): Tokens of all L levels from low to high
                resolution, shape (B * T, N, C) with N the sum of h * w.
            value (Tensor): Tokens to sample from, shape (B * T, N, C).
            query_pos (Tensor): Positional encoding of the query, broadcasts
                to (B * T, N, C).
            reference_points (Tensor): Centres of the tokens as (x, y) between
                0 and 1, shape (B * T, N, L, 2).
            spatial_shapes (Tensor): Height and width of each level, (L, 2).
            level_start_index (Tensor): First token of each level, (L, ).
            key_padding_mask (Tensor, optional): True at tokens that must not
                be sampled, shape (B * T, N). Defaults to None.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.
            **kwargs: Arguments of MMDetection's encoder layers without effect
                on deformable attention, such as ``key`` and ``key_pos``.

        Returns:
            Tensor: Output with the shape of the query.
        """
        sampled = self._sample(
            query + query_pos,
            value,
            reference_points,
            spatial_shapes,
            level_start_index,
            key_padding_mask,
        )  # (B * T, N, C)
        tracked = self.track(sampled, temporal_pos)
        return query + self.dropout(self.output_proj(tracked))

    def _sample(
        self,
        query: Tensor,
        value: Tensor,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor,
        key_padding_mask: Tensor | None,
    ) -> Tensor:
        """Multi-scale deformable attention without its output projection.

        The computation is that of MMCV's class, whose ``forward`` does not
        separate the sampling from the projection.

        Returns:
            Tensor: Sampled values with shape (B * T, N, C).
        """
        value = self.value_proj(value)
        if key_padding_mask is not None:
            value = value.masked_fill(key_padding_mask[..., None], 0.0)
        value = value.unflatten(-1, (self.num_heads, -1))  # (B * T, N, h, d)
        points = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).unflatten(-1, (*points, 2))
        weights = self.attention_weights(query)
        weights = weights.unflatten(-1, (self.num_heads, -1)).softmax(-1)
        weights = weights.unflatten(-1, points[1:])  # (B * T, N, h, L, P)
        widths_heights = spatial_shapes.flip(-1)[:, None]  # (L, 1, 2)
        locations = (
            reference_points[:, :, None, :, None] + offsets / widths_heights
        )  # (B * T, N, h, L, P, 2)
        if value.is_cuda:
            return MultiScaleDeformableAttnFunction.apply(
                value,
                spatial_shapes,
                level_start_index,
                locations,
                weights,
                self.im2col_step,
            )
        return sample_levels(value, spatial_shapes, locations, weights)

    def track(self, tokens: Tensor, temporal_pos: Sequence[Tensor]) -> Tensor:
        """Return the tokens (B * T, N, C); a sub-class changes them."""
        return tokens
