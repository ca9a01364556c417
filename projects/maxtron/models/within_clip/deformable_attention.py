# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention, on CPUs without a compiled operator."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttention,
    MultiScaleDeformableAttnFunction,
)
from torch import Tensor

from .token_grid import TokenGrid


def multi_scale_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Sample maps of several levels and sum the samples with weights.

    Args:
        value (Tensor): Tokens of all L levels, shape (B, N, h, d), with N the
            sum of the sizes of the levels.
        spatial_shapes (Sequence[tuple[int, int]]): Height and width of each
            level.
        sampling_locations (Tensor): Points (x, y) to sample, between 0 and 1
            within a map, shape (B, Q, h, L, P, 2).
        attention_weights (Tensor): Weight of each point, shape
            (B, Q, h, L, P).

    Returns:
        Tensor: Shape (B, Q, h * d).
    """
    if not value.is_cuda:
        return sample_levels(
            value, spatial_shapes, sampling_locations, attention_weights
        )
    shapes = torch.tensor(spatial_shapes, device=value.device)
    ends = shapes.prod(1).cumsum(0)
    return MultiScaleDeformableAttnFunction.apply(
        value,
        shapes,
        F.pad(ends[:-1], (1, 0)),
        sampling_locations,
        attention_weights,
        len(value),  # images at once
    )


def sample_levels(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Compute deformable attention by sampling each level separately.

    The result is that of MMCV's ``multi_scale_deformable_attn_pytorch``. The
    points are an outer axis here, over which sums are fast, and levels are
    added one by one, which takes less memory. For the arguments, see
    :func:`multi_scale_deformable_attention`.
    """
    maps = value.permute(0, 2, 3, 1).flatten(0, 1)  # (B * h, d, N)
    levels = maps.split(
        [height * width for height, width in spatial_shapes], 2
    )
    grids = (2 * locations - 1).permute(3, 0, 2, 4, 1, 5)
    grids = grids.flatten(1, 2)  # (L, B * h, P, Q, 2)
    weights = weights.permute(3, 0, 2, 4, 1).flatten(1, 2)  # (L, B * h, P, Q)
    sums = []
    for shape, level, grid, weight in zip(
        spatial_shapes, levels, grids, weights
    ):
        samples = F.grid_sample(
            level.unflatten(2, shape), grid, align_corners=False
        )  # (B * h, d, P, Q)
        sums.append((samples * weight[:, None]).sum(2))
    out = sum(sums[1:], sums[0])  # (B * h, d, Q)
    return out.view(len(value), -1, out.shape[2]).transpose(1, 2)


class DeformableAttention(MultiScaleDeformableAttention):
    """Multi-scale deformable self-attention with room for tracking inside.

    Initialisation, parameters, result and the CUDA kernel are those of MMCV's
    :class:`MultiScaleDeformableAttention`.
    """

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        grid: TokenGrid,
        temporal_pos: Sequence[Tensor] = (),
    ) -> Tensor:
        """Sample inside each frame, call :meth:`track`, project.

        Args:
            query (Tensor): Tokens of all L levels from low to high
                resolution, shape (B * T, N, C) with N the sum of h * w.
            query_pos (Tensor): Positional encoding of the tokens, broadcasts
                to (B * T, N, C).
            grid (TokenGrid): Places of the tokens.
            temporal_pos (Sequence[Tensor]): See :meth:`TemporalMixin.track`.

        Returns:
            Tensor: Output with the shape of the query.
        """
        sampled = self._sample(query + query_pos, query, grid)
        tracked = self.track(sampled, temporal_pos)
        return query + self.dropout(self.output_proj(tracked))

    def _sample(self, query: Tensor, value: Tensor, grid: TokenGrid) -> Tensor:
        """Multi-scale deformable attention without its output projection.

        The computation is that of MMCV's class, whose ``forward`` does not
        separate the sampling from the projection.

        Returns:
            Tensor: Sampled values with shape (B * T, N, C).
        """
        value = self.value_proj(value)
        value = value.unflatten(-1, (self.num_heads, -1))  # (B * T, N, h, d)
        points = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).unflatten(-1, (*points, 2))
        weights = self.attention_weights(query)
        weights = weights.unflatten(-1, (self.num_heads, -1)).softmax(-1)
        weights = weights.unflatten(-1, points[1:])  # (B * T, N, h, L, P)
        locations = (
            grid.reference_points[:, None, None, None]
            + offsets / grid.level_sizes
        )  # (B * T, N, h, L, P, 2)
        return multi_scale_deformable_attention(
            value, grid.spatial_shapes, locations, weights
        )

    def track(self, tokens: Tensor, temporal_pos: Sequence[Tensor]) -> Tensor:
        """Return the tokens (B * T, N, C); a sub-class changes them."""
        return tokens
