# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Resizing of mask logits as matrix products, tile by tile."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class Span(NamedTuple):
    """Range of rows (or columns) of the output and their sources.

    Attributes:
        target (slice): The rows.
        source (slice): Rows of the logits that the rows depend on.
        weights (Tensor): Weights of the source rows, shape
            (rows, source rows).
    """

    target: slice
    source: slice
    weights: Tensor


def resize_spans(
    size: int,
    padded: int,
    cropped: int,
    final: int,
    length: int,
    align_corners: bool,
    device: torch.device,
) -> list[Span]:
    """Express upsampling, cropping and resizing along one axis as a matrix.

    Both resizes are linear, so resizing the identity gives their matrix. It
    is cut into spans, each of which depends on a few rows of the input.

    Args:
        size (int): Length of the axis in the logits.
        padded (int): Length of the padded network input.
        cropped (int): Length without the padding.
        final (int): Length in the original image.
        length (int): Rows of a span.
        align_corners (bool): As for :func:`torch.nn.functional.interpolate`.
        device (torch.device): Device of the matrices.

    Returns:
        list[Span]: They cover ``range(final)``.
    """
    matrix = torch.eye(size)[None]
    for begin, end in ((size, padded), (cropped, final)):
        matrix = matrix[..., :begin]
        if begin != end:
            matrix = F.interpolate(
                matrix, end, mode='linear', align_corners=align_corners
            )
    matrix = matrix[0].T.contiguous()  # (final, size)
    spans = []
    for start in range(0, final, length):
        weights = matrix[start : start + length]
        used = np.flatnonzero(weights.numpy().any(0)).tolist()
        source = slice(used[0], used[-1] + 1)
        spans.append(
            Span(
                slice(start, start + len(weights)),
                source,
                weights[:, source].contiguous().to(device),
            )
        )
    return spans


def resize_tile(values: Tensor, row: Span, column: Span) -> Tensor:
    """Resize the logits of a tile by two matrix products.

    Args:
        values (Tensor): Logits, shape (N, source rows, source columns),
            float32.
        row (Span): Rows of the tile.
        column (Span): Columns of the tile.

    Returns:
        Tensor: Shape (rows, N, columns), float32. It has the precision of
        float32 even if PyTorch may round the factors of such products.
    """
    exact = torch.float32
    if torch.get_float32_matmul_precision() != 'highest':
        exact = torch.float64
    num_queries, height, width = values.shape
    values = values.to(exact).transpose(0, 1).reshape(-1, width)
    values = values @ column.weights.to(exact).T  # (height * N, columns)
    values = row.weights.to(exact) @ values.view(height, -1)
    return values.view(len(values), num_queries, -1).float()
