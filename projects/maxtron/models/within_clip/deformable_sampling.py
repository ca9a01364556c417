# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sampling of multi-scale deformable attention without a compiled operator."""

import torch.nn.functional as F
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
    out = None
    for shape, level, grid, weight in zip(shapes, levels, grids, weights):
        samples = F.grid_sample(
            level.unflatten(2, shape), grid, align_corners=False
        )  # (B * h, d, P, Q)
        summed = (samples * weight[:, None]).sum(2)
        out = summed if out is None else out + summed
    return out.view(len(value), -1, out.shape[2]).transpose(1, 2)
