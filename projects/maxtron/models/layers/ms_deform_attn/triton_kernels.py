# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Triton kernels of multi-scale deformable attention.

A program computes a block of queries of one head of one image. A sample is a
sum over the four cells around its point, whose bilinear weights are the hat
function (1 - |y - row|) (1 - |x - column|). Cells outside the map are zero.

All tensors are contiguous: value (B, N, h, d), points (B, Q, h, L, P, 2),
weights (B, Q, h, L, P), output (B, Q, h * d).
"""

import triton
import triton.language as tl

from .choice import MAX_TRITON_LEVELS

# Sizes of the levels are single arguments: a tensor would have to be copied to
# the device, and a constant would compile the kernel for every image size.
_VARYING = [
    'num_queries',
    'num_tokens',
    *(f'{side}{i}' for i in range(MAX_TRITON_LEVELS) for side in 'hw'),
]


@triton.jit
def _level_size(LEVEL: tl.constexpr, h0, w0, h1, w1, h2, w2, h3, w3):
    """Return height and width of a level."""
    if LEVEL == 0:
        height, width = h0, w0
    elif LEVEL == 1:
        height, width = h1, w1
    elif LEVEL == 2:
        height, width = h2, w2
    else:
        height, width = h3, w3
    return height, width


@triton.jit
def _locate(
    num_queries,
    num_tokens,
    NUM_HEADS: tl.constexpr,
    HEAD_DIMS: tl.constexpr,
    BLOCK_QUERIES: tl.constexpr,
):
    """Find the queries of this program.

    Returns:
        Position of the queries in (B, Q, h), whether they exist, and offset of
        their image and head in the value.
    """
    num_blocks = tl.cdiv(num_queries, BLOCK_QUERIES)
    pair = tl.program_id(0) // num_blocks
    block = tl.program_id(0) % num_blocks
    image = (pair // NUM_HEADS).to(tl.int64)
    head = pair % NUM_HEADS
    query = block * BLOCK_QUERIES + tl.arange(0, BLOCK_QUERIES)
    position = (image * num_queries + query) * NUM_HEADS + head
    plane = (image * num_tokens * NUM_HEADS + head) * HEAD_DIMS
    return position, query < num_queries, plane


@triton.jit
def _load_point(points, point, is_query, height, width, ACC: tl.constexpr):
    """Load points and convert them to cells, the centre of the first being 0.

    Points far outside, infinite ones and NaN are moved to two cells above or
    left of the map, where samples and gradients are zero as well.
    """
    x = tl.load(points + 2 * point, mask=is_query, other=0).to(ACC)
    y = tl.load(points + 2 * point + 1, mask=is_query, other=0).to(ACC)
    x = x * width - 0.5
    y = y * height - 0.5
    x = tl.where((x > -2) & (x < width + 1), x, -2.0)
    y = tl.where((y > -2) & (y < height + 1), y, -2.0)
    return x, y


@triton.jit
def _find_corner(x, y, i, j, height, width, is_query):
    """Find cell (i, j) of the four around each point, i and j being 0 or 1.

    Returns:
        Bilinear weights of its row and its column, its token within its level,
        and whether it exists.
    """
    row = tl.floor(y) + i
    column = tl.floor(x) + j
    exists = is_query & (row >= 0) & (row < height)
    exists = exists & (column >= 0) & (column < width)
    row_share = 1 - tl.abs(y - row)
    column_share = 1 - tl.abs(x - column)
    row = tl.where(exists, row, 0).to(tl.int32)
    column = tl.where(exists, column, 0).to(tl.int32)
    return row_share, column_share, row * width + column, exists


@triton.jit
def _point_gradients(
    value,
    grad_value,
    out_grad,
    channel,
    is_channel,
    x,
    y,
    weight,
    height,
    width,
    is_query,
    pitch,
):
    """Compute the gradients of a point for each query.

    ``value`` and ``grad_value`` start at the level of the point; tokens lie
    ``pitch`` values apart. The gradient of the value is added to the latter.

    Returns:
        Gradients of the point's relative x and y, and of its weight.
    """
    x_grad = tl.zeros_like(x)
    y_grad = tl.zeros_like(y)
    weight_grad = tl.zeros_like(weight)
    for i in tl.static_range(2):
        for j in tl.static_range(2):
            row_share, column_share, cell, exists = _find_corner(
                x, y, i, j, height, width, is_query
            )
            share = row_share * column_share
            offset = cell[:, None] * pitch + channel
            mask = exists[:, None] & is_channel
            row = tl.load(value + offset, mask=mask, other=0).to(x.dtype)
            product = tl.sum(out_grad * row, axis=1)  # (queries, )
            weight_grad += share * product
            # A share grows towards its cell.
            x_grad += (2 * j - 1) * row_share * product
            y_grad += (2 * i - 1) * column_share * product
            tl.atomic_add(
                grad_value + offset,
                (weight * share)[:, None] * out_grad,
                mask=mask,
                sem='relaxed',
            )
    return x_grad * weight * width, y_grad * weight * height, weight_grad


@triton.jit(do_not_specialize=_VARYING)
def forward_kernel(
    value,
    points,
    weights,
    out,
    num_queries,
    num_tokens,
    h0,
    w0,
    h1,
    w1,
    h2,
    w2,
    h3,
    w3,
    NUM_HEADS: tl.constexpr,
    HEAD_DIMS: tl.constexpr,
    NUM_LEVELS: tl.constexpr,
    NUM_POINTS: tl.constexpr,
    BLOCK_QUERIES: tl.constexpr,
    BLOCK_DIMS: tl.constexpr,
    ACC: tl.constexpr,
):
    """Compute the output of a block of queries."""
    position, is_query, plane = _locate(
        num_queries, num_tokens, NUM_HEADS, HEAD_DIMS, BLOCK_QUERIES
    )
    channel = tl.arange(0, BLOCK_DIMS)[None, :]
    is_channel = channel < HEAD_DIMS
    total = tl.zeros((BLOCK_QUERIES, BLOCK_DIMS), dtype=ACC)
    start = 0
    for level in tl.static_range(NUM_LEVELS):
        height, width = _level_size(level, h0, w0, h1, w1, h2, w2, h3, w3)
        for p in range(NUM_POINTS):
            point = (position * NUM_LEVELS + level) * NUM_POINTS + p
            weight = tl.load(weights + point, mask=is_query, other=0).to(ACC)
            x, y = _load_point(points, point, is_query, height, width, ACC)
            for i in tl.static_range(2):
                for j in tl.static_range(2):
                    row_share, column_share, cell, exists = _find_corner(
                        x, y, i, j, height, width, is_query
                    )
                    share = weight * row_share * column_share
                    offset = (start + cell) * (NUM_HEADS * HEAD_DIMS)
                    row = tl.load(
                        value + plane + offset[:, None] + channel,
                        mask=exists[:, None] & is_channel,
                        other=0,
                    ).to(ACC)  # (queries, d)
                    total += share[:, None] * row
        start += height * width
    tl.store(
        out + position[:, None] * HEAD_DIMS + channel,
        total,
        mask=is_query[:, None] & is_channel,
    )


@triton.jit(do_not_specialize=_VARYING)
def backward_kernel(
    value,
    points,
    weights,
    grad,
    grad_value,
    grad_points,
    grad_weights,
    num_queries,
    num_tokens,
    h0,
    w0,
    h1,
    w1,
    h2,
    w2,
    h3,
    w3,
    NUM_HEADS: tl.constexpr,
    HEAD_DIMS: tl.constexpr,
    NUM_LEVELS: tl.constexpr,
    NUM_POINTS: tl.constexpr,
    BLOCK_QUERIES: tl.constexpr,
    BLOCK_DIMS: tl.constexpr,
    ACC: tl.constexpr,
):
    """Compute the gradients of a block of queries.

    The gradient of the value is added to ``grad_value``, which must be zero
    before and have the type ACC.
    """
    position, is_query, plane = _locate(
        num_queries, num_tokens, NUM_HEADS, HEAD_DIMS, BLOCK_QUERIES
    )
    channel = tl.arange(0, BLOCK_DIMS)[None, :]
    is_channel = channel < HEAD_DIMS
    out_grad = tl.load(
        grad + position[:, None] * HEAD_DIMS + channel,
        mask=is_query[:, None] & is_channel,
        other=0,
    ).to(ACC)  # (queries, d)
    pitch = NUM_HEADS * HEAD_DIMS
    start = 0
    for level in tl.static_range(NUM_LEVELS):
        height, width = _level_size(level, h0, w0, h1, w1, h2, w2, h3, w3)
        for p in range(NUM_POINTS):
            point = (position * NUM_LEVELS + level) * NUM_POINTS + p
            weight = tl.load(weights + point, mask=is_query, other=0).to(ACC)
            x, y = _load_point(points, point, is_query, height, width, ACC)
            x_grad, y_grad, weight_grad = _point_gradients(
                value + plane + start * pitch,
                grad_value + plane + start * pitch,
                out_grad,
                channel,
                is_channel,
                x,
                y,
                weight,
                height,
                width,
                is_query,
                pitch,
            )
            tl.store(grad_points + 2 * point, x_grad, mask=is_query)
            tl.store(grad_points + 2 * point + 1, y_grad, mask=is_query)
            tl.store(grad_weights + point, weight_grad, mask=is_query)
        start += height * width
