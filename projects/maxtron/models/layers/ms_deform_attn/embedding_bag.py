"""Deformable attention by embedding_bag: on CPUs.

A query of a head is a weighted sum of rows of the value, four rows for each
point. ``embedding_bag`` computes such sums in one pass over the rows, whose
channels are contiguous, and stores no samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .row_sums import WeightedRowSums

# Queries (of one head) whose rows and factors stay in the CPU's cache.
CHUNK_SIZE = 2**12
# Cells of zeros around each map. Points outside need no other treatment.
MARGIN = 2


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
    batch_size, _, num_heads, _ = value.shape
    num_queries, num_points = locations.shape[1], locations.shape[4]
    dtype = torch.promote_types(value.dtype, torch.float32)
    rows = _add_margins(value.to(dtype), spatial_shapes)  # (B, M, h, d)
    levels = _Levels(spatial_shapes, num_points, num_heads, dtype)
    planes = torch.arange(batch_size)[:, None, None] * rows[0, :, :, 0].numel()
    planes = planes + torch.arange(num_heads)  # first rows, (B, 1, h)
    planes = planes.expand(-1, num_queries, -1).flatten().int()  # (n, )
    points = locations.to(dtype).flatten(3, 4).flatten(0, 2)  # (n, L * P, 2)
    weights = weights.to(dtype).flatten(3, 4).flatten(0, 2)  # (n, L * P)
    rows = rows.flatten(0, 2)
    # Each chunk would have its own gradient of all rows.
    needs_grad = torch.is_grad_enabled() and rows.requires_grad
    chunk_size = len(planes) if needs_grad else CHUNK_SIZE
    sums = []
    for point, weight, plane in zip(
        points.split(chunk_size),
        weights.split(chunk_size),
        planes.split(chunk_size),
    ):
        cells, shares = levels.cells_of(point)
        indices = (cells + plane[:, None])[:, None] + levels.corners
        factors = _corner_factors(shares, weight)
        sums.append(
            WeightedRowSums.apply(rows, indices.flatten(1), factors.flatten(1))
        )
    out = torch.cat(sums).view(batch_size, num_queries, -1)
    return out.to(value.dtype)


def _add_margins(
    value: Tensor, spatial_shapes: Sequence[tuple[int, int]]
) -> Tensor:
    """Surround each map with zeros.

    Args:
        value (Tensor): Tokens of all levels, shape (B, N, h, d).
        spatial_shapes (Sequence[tuple[int, int]]): Sizes of the levels.

    Returns:
        Tensor: Tokens and zeros, shape (B, M, h, d).
    """
    shapes = [
        (height + 2 * MARGIN, width + 2 * MARGIN)
        for height, width in spatial_shapes
    ]
    num_rows = sum(height * width for height, width in shapes)
    padded = value.new_zeros((len(value), num_rows, *value.shape[2:]))
    sources = value.split(
        [height * width for height, width in spatial_shapes], 1
    )
    start = 0
    for padded_shape, shape, source in zip(shapes, spatial_shapes, sources):
        end = start + padded_shape[0] * padded_shape[1]
        # Autograd allows no writes into the results of split().
        target = padded[:, start:end].unflatten(1, padded_shape)
        inside = target[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        inside.copy_(source.unflatten(1, shape))
        start = end
    return padded


class _Levels:
    """Places of the padded maps among the rows of a head.

    Args:
        spatial_shapes (Sequence[tuple[int, int]]): Sizes of the levels,
            without margins.
        num_points (int): Number of points P of a level.
        num_heads (int): Number of heads h. The rows of one head are h apart.
        dtype (torch.dtype): Type of the points.
    """

    def __init__(
        self,
        spatial_shapes: Sequence[tuple[int, int]],
        num_points: int,
        num_heads: int,
        dtype: torch.dtype,
    ) -> None:
        sizes, steps, starts, start = [], [], [], 0
        for height, width in spatial_shapes:
            padded_width = width + 2 * MARGIN
            sizes.append((width, height))
            steps.append((num_heads, padded_width * num_heads))
            starts.append((start + MARGIN * (padded_width + 1)) * num_heads)
            start += (height + 2 * MARGIN) * padded_width
        limits, steps, starts = (
            torch.tensor(x, dtype=torch.int32).repeat_interleave(num_points, 0)
            for x in (sizes, steps, starts)
        )  # (L * P, 2), (L * P, 2), (L * P, )
        self.limits, self.steps, self.starts = limits, steps, starts
        self.sizes = limits.to(dtype)
        right, below = steps.unbind(-1)
        # from the cell above and left of a point to the four around it
        self.corners = torch.stack((0 * right, right, below, right + below))
        self.first_cell = torch.tensor(-MARGIN, dtype=torch.int32)
        self.half = torch.tensor(-0.5, dtype=dtype)

    def cells_of(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Find the cells above and left of points.

        Args:
            points (Tensor): Points (x, y) of n queries, between 0 and 1 inside
                the map, shape (n, L * P, 2).

        Returns:
            tuple[Tensor, Tensor]: Rows of the cells, (n, L * P), and the
            distance of the point to them, (n, L * P, 2).
        """
        position = torch.addcmul(self.half, points, self.sizes)
        low = position.floor()
        # The conversion of infinity and NaN yields any integer.
        cells = low.int().clamp_(self.first_cell, self.limits)
        columns, lines = cells.mul_(self.steps).unbind(-1)
        return (columns + lines).add_(self.starts), position.sub_(low)


def _corner_factors(shares: Tensor, weights: Tensor) -> Tensor:
    """Compute the factors of the four cells around each point.

    Args:
        shares (Tensor): Shares (x, y) of the right and lower cells, shape
            (n, L * P, 2).
        weights (Tensor): Weights of the points, shape (n, L * P).

    Returns:
        Tensor: Bilinear weights times the weights of the points, in the order
        of :attr:`_Levels.corners`, shape (n, 4, L * P).
    """
    right, lower = shares.unbind(-1)
    lower = weights * lower
    upper = weights - lower
    lower_right, upper_right = lower * right, upper * right
    return torch.stack(
        (upper - upper_right, upper_right, lower - lower_right, lower_right), 1
    )
