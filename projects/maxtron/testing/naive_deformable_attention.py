# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive multi-scale deformable attention, over all cells of the maps."""

from collections.abc import Sequence

import torch
from torch import Tensor


def naive_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Compute multi-scale deformable attention by its definition.

    The bilinear weight of a cell for a point (x, y), in cells, is
    max(0, 1 - |x - column|) max(0, 1 - |y - row|). A sample is the sum over
    all cells, which have these weights.

    Args:
        value (Tensor): Tokens of all L levels, shape (B, N, h, d).
        spatial_shapes (Sequence[tuple[int, int]]): Height and width of each
            level.
        locations (Tensor): Points (x, y), shape (B, Q, h, L, P, 2).
        weights (Tensor): Weight of each point, shape (B, Q, h, L, P).

    Returns:
        Tensor: Shape (B, Q, h * d).
    """
    outputs, start = [], 0
    for level, (height, width) in enumerate(spatial_shapes):
        x, y = locations[:, :, :, level].unbind(-1)  # (B, Q, h, P)
        bilinear = torch.einsum(
            'bqhpi,bqhpj->bqhpij', _hats(y, height), _hats(x, width)
        )
        maps = value[:, start : start + height * width]
        outputs.append(
            torch.einsum(
                'bqhp,bqhpn,bnhd->bqhd',
                weights[:, :, :, level],
                bilinear.flatten(-2),
                maps,
            )
        )
        start += height * width
    return torch.stack(outputs).sum(0).flatten(2)


def _hats(position: Tensor, size: int) -> Tensor:
    """Compute the linear weights of all cells of an axis, (..., size)."""
    cells = torch.arange(size, device=position.device)
    distance = position[..., None] * size - 0.5 - cells
    return (1 - distance.abs()).clamp(min=0)
