# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Resizing of mask logits as matrix products, tile by tile."""

import math
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


def exact_type() -> torch.dtype:
    """Choose the type whose matrix products have the precision of float32.

    PyTorch may be set to round the factors of products of float32.
    """
    if torch.get_float32_matmul_precision() == 'highest':
        return torch.float32
    return torch.float64


def resize_tile(
    values: Tensor, row: Span, column: Span, buffer: Tensor
) -> Tensor:
    """Resize the logits of a tile by two matrix products.

    Args:
        values (Tensor): Logits of the source rows, shape
            (source rows, N, w), of :func:`exact_type`.
        row (Span): Rows of the tile.
        column (Span): Columns of the tile.
        buffer (Tensor): Memory of the result, shape (n, ), of the same type.

    Returns:
        Tensor: Shape (rows, N, columns), float32.
    """
    height, num_queries = values.shape[:2]
    row_weights, column_weights = (
        span.weights.to(values.dtype) for span in (row, column)
    )
    values = values[..., column.source].flatten(0, 1) @ column_weights.T
    values = values.view(height, -1)  # (source rows, N * columns)
    shape = (len(row_weights), values.shape[1])
    resized = buffer[: math.prod(shape)].view(shape)
    torch.mm(row_weights, values, out=resized)
    return resized.view(len(resized), num_queries, -1).float()
