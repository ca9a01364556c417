# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Search for the queries that exceed a probability at each pixel."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError


class Candidates(NamedTuple):
    """Pairs of a pixel and a query whose probability exceeds the threshold.

    The pairs of a pixel are in ascending order of the queries.

    Attributes:
        pixels (np.ndarray): Pixel, row-major, shape (n, ), int64.
        queries (np.ndarray): Query, shape (n, ), int64.
        probs (np.ndarray): Probability of the query at the pixel, shape
            (n, ), float32.
    """

    pixels: np.ndarray
    queries: np.ndarray
    probs: np.ndarray


class Span(NamedTuple):
    """Range of rows (or columns) of the output and their sources.

    Attributes:
        start (int): First row.
        source (slice): Rows of the logits that the rows depend on.
        weights (Tensor): Weights of the source rows, shape
            (rows, source rows).
    """

    start: int
    source: slice
    weights: Tensor


class Tile(NamedTuple):
    """A tile of the output and its relevant queries.

    Attributes:
        row (Span): Rows of the tile.
        column (Span): Columns of the tile.
        queries (Tensor): Queries that contribute to the softmax. Possible
            candidates come first.
        num_wanted (int): Number of possible candidates.
        least (float): Lower bound of the log of the sum over the queries,
            after the shift of :meth:`CandidateFinder.find`.
    """

    row: Span
    column: Span
    queries: Tensor
    num_wanted: int
    least: float


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
        spans.append(Span(start, source, weights[:, source].to(device)))
    return spans


class CandidateFinder:
    """Finder of the candidate queries of a frame.

    Bilinear interpolation never leaves the range of its inputs, so the min and
    max of a query's logits in a tile's input window bound its values in the
    tile. Queries that cannot change the softmax of the tile by a rounding
    error are left out. Only queries that can reach the threshold are compared
    with it.

    Args:
        num_queries (int): Number of queries N.
        mask_shape (tuple[int, int]): Height and width of the logits.
        input_shape (tuple[int, int]): Height and width of the padded input.
        img_shape (tuple[int, int]): Height and width before padding.
        ori_shape (tuple[int, int]): Height and width of the original image.
        threshold (float): Probability that candidates exceed.
        device (torch.device): Device of the logits.
        align_corners (bool): Whether logits are resized with aligned corners.
            Defaults to True.
        tile_shape (tuple[int, int], optional): Height and width of a tile. It
            bounds the memory and does not change the result. Defaults to a
            tile that fits the caches of a CPU, and to a larger one on a GPU.
    """

    def __init__(
        self,
        num_queries: int,
        mask_shape: tuple[int, int],
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
        ori_shape: tuple[int, int],
        threshold: float,
        device: torch.device,
        align_corners: bool = True,
        tile_shape: tuple[int, int] | None = None,
    ) -> None:
        if tile_shape is None:
            width, floats = (
                (128, 2**20) if device.type == 'cpu' else (512, 2**25)
            )
            tile_shape = (max(floats // (width * num_queries), 1), width)
        self.ori_shape = ori_shape
        self.threshold = threshold
        self.rows, self.columns = (
            resize_spans(*sizes, align_corners, device)
            for sizes in zip(
                mask_shape, input_shape, img_shape, ori_shape, tile_shape
            )
        )
        # All omitted queries together change a sum by less than its rounding.
        self.negligible = math.log(num_queries) - math.log(2**-25)

    def find(self, logits: Tensor, map_tiles: Callable = map) -> Candidates:
        """Find the candidates of one frame.

        Args:
            logits (Tensor): Mask logits with shape (N, h, w), float32.
            map_tiles (Callable): Function like
                ``map``, see :func:`parallel_map`.

        Returns:
            Candidates: Candidates of all pixels of ``ori_shape``.

        Raises:
            InputError: If a logit is not finite.
        """
        check_mask_logits(logits)
        # The softmax is invariant to a shift, and resizing preserves a shift.
        # After this shift no value is positive, before and after resizing.
        logits = logits - logits.amax(0)
        tiles = self._tiles(logits)
        with _exact_matmul(logits.device):
            found = list(
                map_tiles(lambda tile: self._search(logits, tile), tiles)
            )
        if not found:
            return Candidates(*np.zeros((3, 0), np.int64))
        return Candidates(*(np.concatenate(part) for part in zip(*found)))

    def _tiles(self, logits: Tensor) -> list[Tile]:
        """Select the tiles that have candidates."""
        lower, upper = self._bounds(logits)
        # lower bound of the log of the sum over the queries
        least = lower.logsumexp(0)  # (rows, columns)
        active = upper > least - self.negligible
        wanted = upper > least + (math.log(self.threshold) - 1e-3)
        # possible candidates first, both groups in ascending order
        order = (
            (active.byte() + wanted.byte())
            .sort(dim=0, descending=True, stable=True)
            .indices
        )
        counts = torch.stack((active.sum(0), wanted.sum(0)), -1).tolist()
        least = least.tolist()
        return [
            Tile(
                row,
                column,
                order[: counts[i][j][0], i, j],
                counts[i][j][1],
                least[i][j],
            )
            for i, row in enumerate(self.rows)
            for j, column in enumerate(self.columns)
            if counts[i][j][1]
        ]

    def _bounds(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Compute bounds of each query in each tile, (N, rows, columns)."""
        bounds = []
        for bound in (torch.amin, torch.amax):
            rows = torch.stack(
                [bound(logits[:, row.source], 1) for row in self.rows], 1
            )  # (N, rows, w)
            bounds.append(
                torch.stack(
                    [
                        bound(rows[..., column.source], 2)
                        for column in self.columns
                    ],
                    2,
                )
            )
        return tuple(bounds)

    def _search(self, logits: Tensor, tile: Tile) -> Candidates:
        """Find the candidates of one tile of logits (N, h, w)."""
        row, column, queries = tile.row, tile.column, tile.queries
        values = logits[:, row.source, column.source][queries]
        values = row.weights @ values @ column.weights.T  # (n, r, c)
        if tile.least < -40:  # The sum could underflow.
            values -= values.amax(0)
        width = values.shape[2]
        values = values.exp_().flatten(1)  # (n, r * c)
        total = values.sum(0)
        hit = values[: tile.num_wanted] > self.threshold * total
        index = _true_indices(hit.flatten())
        query = index.div(hit.shape[1], rounding_mode='floor')
        pixel = index - query * hit.shape[1]
        probs = values.flatten()[index] / total[pixel]
        # indices row * width + column: from the tile to the image
        pixel += pixel.div(width, rounding_mode='floor') * (
            self.ori_shape[1] - width
        ) + (row.start * self.ori_shape[1] + column.start)
        return Candidates(
            *(part.cpu().numpy() for part in (pixel, queries[query], probs))
        )


def check_mask_logits(logits: Tensor) -> None:
    """Refuse mask logits that are not finite.

    Args:
        logits (Tensor): Mask logits of any shape.

    Raises:
        InputError: If a logit is NaN or infinite.
    """
    if not logits.sum(dtype=torch.float32).isfinite():
        raise InputError(
            'The mask logits hold nan or inf: the model has '
            'diverged or its weights do not fit.'
        )


def _true_indices(mask: Tensor) -> Tensor:
    """Find the indices of the true elements, shape (n, ), ascending."""
    if mask.is_cuda:
        return mask.nonzero()[:, 0]
    # much faster than PyTorch's on the CPU
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


@contextmanager
def _exact_matmul(device: torch.device) -> Iterator[None]:
    """Context in which float32 products keep their full precision."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


@contextmanager
def parallel_map(device: torch.device) -> Iterator[Callable]:
    """Provide a function like ``map`` that uses as many threads as PyTorch.

    On the CPU, PyTorch's operators are single-threaded in the meantime. Those
    on a tile are so short that the synchronisation of threads would take
    longer, in particular on a busy machine. On a GPU the function is ``map``.
    """
    if device.type != 'cpu':
        yield map
        return
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # The threads of the pool inherit this setting.
    try:
        with ThreadPoolExecutor(num_threads) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(num_threads)
