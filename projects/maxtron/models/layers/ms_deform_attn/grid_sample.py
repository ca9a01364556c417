# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Deformable attention by grid_sample: any device, differentiable, exports."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def attend_by_grid_sample(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Compute multi-scale deformable attention, level by level.

    The points are an outer axis, over which sums are fast. Adding the levels
    one by one takes less memory than stacking their samples.

    Args:
        value (Tensor): See
            :func:`~.attention.multi_scale_deformable_attention`, also for the
            other arguments and the result.
        spatial_shapes (Sequence[tuple[int, int]]): Sizes of the levels.
        locations (Tensor): Points to sample.
        weights (Tensor): Weights of the points.

    Returns:
        Tensor: Shape (B, Q, h * d).
    """
    dtype = torch.promote_types(value.dtype, torch.float32)
    maps = value.to(dtype).permute(0, 2, 3, 1).flatten(0, 1)  # (B * h, d, N)
    levels = maps.split(
        [height * width for height, width in spatial_shapes], 2
    )
    grids = (2 * locations.to(dtype) - 1).permute(3, 0, 2, 4, 1, 5)
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
    out = out.view(len(value), -1, out.shape[2]).transpose(1, 2)
    return out.to(value.dtype)
