# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class TokenGrid(NamedTuple):
    """Places of the tokens of L levels, N tokens in all.

    Attributes:
        spatial_shapes (Sequence[tuple[int, int]]): Height and width of each
            level, from low to high resolution. Plain integers keep the shapes
            of a compiled graph static.
        reference_points (Tensor): Centres of the tokens as (x, y) between 0
            and 1, shape (N, 2).
        level_sizes (Tensor): Width and height of each level, shape (L, 1, 2).
    """

    spatial_shapes: Sequence[tuple[int, int]]
    reference_points: Tensor
    level_sizes: Tensor


def make_token_grid(
    spatial_shapes: Sequence[tuple[int, int]], device: torch.device
) -> TokenGrid:
    """Place the tokens of feature maps, row by row.

    Args:
        spatial_shapes (Sequence[tuple[int, int]]): Height and width of each
            level, from low to high resolution.
        device (torch.device): Device of the tensors.

    Returns:
        TokenGrid: The grid.
    """
    points, sizes = [], []
    for height, width in spatial_shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        rows, columns = torch.meshgrid(y, x, indexing='ij')
        points.append(torch.stack((columns, rows), -1).flatten(0, 1))
        # Numbers are filled in on the device: a copy from the host would keep
        # a graph from becoming a CUDA graph.
        sizes += [
            torch.full((1,), float(size), device=device)
            for size in (width, height)
        ]
    return TokenGrid(
        spatial_shapes, torch.cat(points), torch.cat(sizes).view(-1, 1, 2)
    )
