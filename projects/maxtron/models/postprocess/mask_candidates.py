# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Search for the queries that exceed a probability at each pixel."""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import InputError
from ...structures import copy_to_cpu
from .query_sets import query_bits
from .resize_spans import Span, exact_type, resize_spans, resize_tile


class Tile(NamedTuple):
    """A tile of the output and its possible candidates.

    Attributes:
        column (Span): Columns of the tile.
        queries (Tensor): Queries that may be candidates, ascending.
        least (float): Lower bound of the log of the sum over the queries,
            relative to the highest logit.
    """

    column: Span
    queries: Tensor
    least: float


class Band(NamedTuple):
    """A row of tiles.

    Attributes:
        frame (int): Frame in the clip.
        row (Span): Rows of the tiles.
        tiles (list[Tile]): The tiles that have possible candidates.
    """

    frame: int
    row: Span
    tiles: list[Tile]


class CandidateFinder:
    """Finder of the candidate queries of the pixels of a clip.

    Bilinear interpolation never leaves the range of its inputs, so the min and
    max of a query's logits in a tile's input window bound its values in the
    tile. Only queries that can reach the threshold are compared with it. The
    finder works on the device of the logits and waits for it once, to read the
    number of these queries in all tiles.

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
                (64, 3 * 2**17) if device.type == 'cpu' else (128, 2**23)
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
        self.bits = query_bits(num_queries).double().to(device)

    def find(
        self, logits: Tensor, accepted: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Find the candidates of the frames of a clip.

        Args:
            logits (Tensor): Mask logits with shape (N, T, h, w), float32.
            accepted (Tensor, optional): Whether each query may be a
                candidate, shape (N, ), bool. Defaults to None: all may.

        Returns:
            tuple[Tensor, Tensor]: The set of the candidates of each pixel,
            shape (words, T, H, W), int64, see :func:`query_bits`, and each
            query's sum of probabilities over its pixels, shape (N, ),
            float64.

        Raises:
            InputError: If a logit is not finite.
        """
        words = torch.zeros(
            (len(self.bits), logits.shape[1], *self.ori_shape),
            dtype=torch.int64,
            device=logits.device,
        )
        prob_sums = self.bits.new_zeros(len(logits))
        # The softmax is invariant to a shift, and resizing preserves a shift.
        # After this shift no value is positive, before and after resizing.
        highest = logits.amax(0)  # (T, h, w)
        with torch.autocast(logits.device.type, enabled=False):
            bands = self._bands(logits, highest, accepted)
            with parallel_map(logits.device) as map_bands:
                sums = map_bands(
                    lambda band: self._search(logits, highest, band, words),
                    bands,
                )
                for band, band_sums in zip(bands, sums):
                    for tile, tile_sums in zip(band.tiles, band_sums):
                        prob_sums.index_add_(0, tile.queries, tile_sums)
        return words, prob_sums

    def _bands(
        self, logits: Tensor, highest: Tensor, accepted: Tensor | None
    ) -> list[Band]:
        """Select the tiles that have candidates."""
        lower, upper = self._bounds(logits, highest)
        # lower bound of the log of the sum over the queries
        least = lower.logsumexp(0)  # (T, rows, columns)
        wanted = upper > least + (math.log(self.threshold) - 1e-3)
        if accepted is not None:
            wanted &= accepted.view(-1, 1, 1, 1)
        order = wanted.byte().movedim(0, -1)
        order = order.argsort(descending=True, stable=True)
        is_finite = lower.isfinite().all() & highest.isfinite().all()
        is_finite, counts, least = (
            x.numpy() for x in copy_to_cpu(is_finite, wanted.sum(0), least)
        )
        if not is_finite:
            raise not_finite_error()
        bands = [
            Band(
                frame,
                row,
                [
                    Tile(
                        column,
                        order[frame, i, j, : counts[frame, i, j]],
                        least[frame, i, j],
                    )
                    for j, column in enumerate(self.columns)
                    if counts[frame, i, j]
                ],
            )
            for frame in range(len(counts))
            for i, row in enumerate(self.rows)
        ]
        return [band for band in bands if band.tiles]

    def _bounds(self, logits: Tensor, highest: Tensor) -> list[Tensor]:
        """Compute bounds of each query in each tile, (N, T, rows, columns)."""
        bands = []  # per row of tiles: min and max, (N, T, w)
        for row in self.rows:
            band = logits[:, :, row.source] - highest[:, row.source]
            bands.append((band.amin(2), band.amax(2)))
        return [
            torch.stack(
                [
                    bound(rows[..., column.source], -1)
                    for column in self.columns
                ],
                -1,
            )
            for bound, rows in zip(
                (torch.amin, torch.amax),
                (torch.stack(parts, 2) for parts in zip(*bands)),
            )
        ]

    def _search(
        self, logits: Tensor, highest: Tensor, band: Band, words: Tensor
    ) -> list[Tensor]:
        """Find the candidates of a row of tiles.

        Args:
            logits (Tensor): See :meth:`find`.
            highest (Tensor): Highest logits, shape (T, h, w).
            band (Band): The tiles.
            words (Tensor): See :meth:`find`; the tiles are filled in.

        Returns:
            list[Tensor]: Sums of probabilities of the possible candidates of
            each tile, float64.
        """
        source = (band.frame, band.row.source)
        rows = logits[(slice(None), *source)].transpose(0, 1)  # (s, N, w)
        # All tiles read these rows, which then are in the cache.
        shifted = rows.new_empty(rows.shape)
        torch.sub(rows, highest[source][:, None], out=shifted)
        shifted = shifted.to(exact_type())
        num_columns = max(len(tile.column.weights) for tile in band.tiles)
        buffer = shifted.new_empty(
            len(band.row.weights) * len(logits) * num_columns
        )
        sums = []
        for column, queries, least in band.tiles:
            values = resize_tile(
                shifted, band.row, column, buffer
            )  # (r, N, c)
            if least < -40:  # The sum could underflow.
                values -= values.amax(1, keepdim=True)
            total = values.exp_().sum(1)
            probs = values.transpose(0, 1)[queries].div_(total)  # (n, r, c)
            probs = torch.threshold_(probs, self.threshold, 0.0)
            probs = probs.flatten(1).double()  # once for sums and sets
            sums.append(probs.sum(1))
            sets = self.bits[:, queries] @ probs.sign_()
            words[:, band.frame, band.row.target, column.target] = sets.view(
                -1, *total.shape
            )
        return sums


# The matrices depend only on the sizes, which most clips have in common.
make_finder = lru_cache(maxsize=8)(CandidateFinder)


def not_finite_error() -> InputError:
    """Make the error that refuses mask logits that are not finite."""
    return InputError(
        'The mask logits hold nan or inf: the model has '
        'diverged or its weights do not fit.'
    )


@contextmanager
def parallel_map(device: torch.device) -> Iterator[Callable]:
    """Provide a function like ``map`` that uses as many threads as PyTorch.

    On the CPU, PyTorch's operators have one thread each in these threads.
    Those on a tile are so short that the synchronisation of threads would take
    longer, in particular on a busy machine. On a GPU the function is ``map``.
    """
    num_threads = torch.get_num_threads()
    if device.type != 'cpu' or num_threads == 1:
        yield map
        return
    try:
        with ThreadPoolExecutor(
            num_threads, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            # Modes hold for one thread, and tensors of inference mode can be
            # changed in this mode only.
            is_inference = torch.is_inference_mode_enabled()

            def map_items(function: Callable, items: Iterable) -> Iterator:
                def call(item):
                    with torch.inference_mode(is_inference), torch.no_grad():
                        return function(item)

                return pool.map(call, items)

            yield map_items
    finally:
        # It is the default of later threads, too.
        torch.set_num_threads(num_threads)
