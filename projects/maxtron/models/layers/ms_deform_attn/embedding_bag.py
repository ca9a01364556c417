# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Deformable attention by embedding_bag: inference on CPUs.

A query of a head is a weighted sum of rows of the value, four rows for each
point. ``embedding_bag`` computes such sums in one pass over the rows, whose
channels are contiguous, and stores no samples. Its gradients are slow.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Queries (of one head) whose rows and factors stay in the CPU's cache.
CHUNK_SIZE = 2**12


def suits_embedding_bag(*tensors: Tensor) -> bool:
    """Return whether the form applies: on a CPU, without gradients or tracing.

    Compilers fuse the plain form, and not all targets of an export have this
    operator.
    """
    if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return False
    return tensors[0].device.type == 'cpu' and not (
        torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    )


def attend_by_embedding_bag(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Compute multi-scale deformable attention as weighted sums of rows.

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
    batch_size, num_tokens, num_heads, _ = value.shape
    num_queries = locations.shape[1]
    dtype = torch.promote_types(value.dtype, torch.float32)
    rows = value.to(dtype).flatten(0, 2)  # (B * N * h, d)
    points = locations.to(dtype).flatten(3, 4).flatten(0, 2)  # (n, L * P, 2)
    weights = weights.to(dtype).flatten(3, 4).flatten(0, 2)  # (n, L * P)
    first_rows = _first_rows(batch_size, num_tokens, num_heads, num_queries)
    sums = []
    for chunk in zip(
        points.split(CHUNK_SIZE),
        weights.split(CHUNK_SIZE),
        first_rows.split(CHUNK_SIZE),
    ):
        indices, factors = _rows_of_points(*chunk, spatial_shapes, num_heads)
        sums.append(
            F.embedding_bag(
                indices, rows, mode='sum', per_sample_weights=factors
            )
        )
    out = torch.cat(sums).view(batch_size, num_queries, -1)
    return out.to(value.dtype)


def _first_rows(
    batch_size: int, num_tokens: int, num_heads: int, num_queries: int
) -> Tensor:
    """Find the first row of each query's image and head, (B * Q * h, )."""
    images = torch.arange(batch_size, dtype=torch.int32)[:, None, None]
    heads = torch.arange(num_heads, dtype=torch.int32)
    rows = images * (num_tokens * num_heads) + heads
    return rows.expand(-1, num_queries, -1).flatten()


def _rows_of_points(
    points: Tensor,
    weights: Tensor,
    first_rows: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    num_heads: int,
) -> tuple[Tensor, Tensor]:
    """Find the rows of the value that a query sums, and their factors.

    Args:
        points (Tensor): Points (x, y) of n queries, shape (n, L * P, 2).
        weights (Tensor): Weights of the points, shape (n, L * P).
        first_rows (Tensor): First row of each query, shape (n, ).
        spatial_shapes (Sequence[tuple[int, int]]): Sizes of the levels.
        num_heads (int): Number of heads h. The rows of one head are h apart.

    Returns:
        tuple[Tensor, Tensor]: Rows and factors, shape (n, 4 * L * P).
    """
    num_levels = len(spatial_shapes)
    # With the queries last, the operations below run over contiguous memory.
    levels = points.permute(2, 1, 0).contiguous().chunk(num_levels, 1)
    weights = weights.t().contiguous().chunk(num_levels)
    indices, factors, start = [], [], 0
    for (x, y), weight, (height, width) in zip(
        levels, weights, spatial_shapes
    ):
        columns, column_shares = _neighbours(x, width)
        lines, line_shares = _neighbours(y, height)
        cells = lines[:, None] * (width * num_heads) + columns * num_heads
        indices.append(cells + (first_rows + start * num_heads))
        factors.append((line_shares * weight)[:, None] * column_shares)
        start += height * width
    return tuple(
        torch.stack(parts).flatten(0, 3).t().contiguous()
        for parts in (indices, factors)
    )


def _neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Find the two cells of an axis around each position, and their shares.

    Args:
        position (Tensor): Positions, between 0 and 1 inside the map, shape
            (P, n).
        size (int): Number of cells.

    Returns:
        tuple[Tensor, Tensor]: Cells (int32) and linear weights, which are zero
        outside the map, both with shape (2, P, n).
    """
    position = position * size - 0.5
    low = position.floor()
    share = position - low
    low = low.int()
    cells = torch.stack((low, low + 1))
    shares = torch.stack((1 - share, share))
    # "Outside" includes the integers that infinity and NaN convert to.
    shares.masked_fill_((cells < 0) | (cells >= size), 0)
    return cells.clamp_(0, size - 1), shares
