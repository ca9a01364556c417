# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compressed sets of candidate queries of the pixels of a video.

A set has one bit per query. The bits are in words of int64, ``WORD_BITS`` in
each, which float64 represents, too.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...structures import IndexMap

WORD_BITS = 52


def query_bits(num_queries: int) -> Tensor:
    """Make the sets that contain one query each.

    Args:
        num_queries (int): Number of queries N.

    Returns:
        Tensor: Words of the sets, shape (ceil(N / 52), N), int64.
    """
    bits = torch.zeros(
        -(-num_queries // WORD_BITS), num_queries, dtype=torch.int64
    )
    for query in range(num_queries):
        word, bit = divmod(query, WORD_BITS)
        bits[word, query] = 1 << bit
    return bits


class FrameSets(NamedTuple):
    """Candidate queries of the pixels of one frame.

    Only the S sets that occur in the frame are kept.

    Attributes:
        indices (np.ndarray | IndexMap): Set of each pixel, shape (H, W).
        words (np.ndarray | IndexMap): Queries of each set, shape (words, S),
            see :func:`query_bits`.
        counts (np.ndarray | IndexMap): Pixels of each set, shape (S, ).
    """

    indices: np.ndarray | IndexMap
    words: np.ndarray | IndexMap
    counts: np.ndarray | IndexMap

    def compress(self) -> 'FrameSets':
        """Compress the arrays."""
        return FrameSets(
            *(
                IndexMap.encode(x) if isinstance(x, np.ndarray) else x
                for x in self
            )
        )


class PixelSets(NamedTuple):
    """Candidate queries of the pixels of T frames, on any device.

    Attributes:
        indices (Tensor): Set of each pixel, counted from 0 in each frame,
            shape (T, H, W).
        words (Tensor): Queries of the S sets, frame by frame, shape
            (words, S), see :func:`query_bits`.
        counts (Tensor): Pixels of each set, shape (S, ), int64.
        starts (Tensor): Index of the first set of each frame, shape (T, ),
            int64.
    """

    indices: Tensor
    words: Tensor
    counts: Tensor
    starts: Tensor

    def split(self) -> list[FrameSets]:
        """Split sets on the CPU into those of the frames."""
        indices, words, counts, starts = (x.numpy() for x in self)
        return [
            FrameSets(*sets)
            for sets in zip(
                indices,
                np.split(words, starts[1:], axis=1),
                np.split(counts, starts[1:]),
            )
        ]


def number_sets(words: Tensor) -> PixelSets:
    """Number the sets that occur in each frame.

    Sets are compared by a hash of their words. It has 54 bits or more for
    clips of up to 255 frames, so that the probability of an error is below
    1e-10 in a frame of 1000 different sets.

    Args:
        words (Tensor): Set of each pixel, shape (words, T, H, W), int64, see
            :func:`query_bits`.

    Returns:
        PixelSets: The sets, on the device of the words.
    """
    num_frames = words.shape[1]
    hash_bits = 62 - num_frames.bit_length()
    frames = torch.arange(num_frames, device=words.device) << hash_bits
    keys = _hash(words, hash_bits) + frames.view(-1, 1, 1)
    # Neighbouring pixels mostly have the same set, so there are few runs.
    runs, run_of_pixel, lengths = keys.flatten().unique_consecutive(
        return_inverse=True, return_counts=True
    )
    sets, set_of_run = runs.unique(return_inverse=True)  # frame by frame
    first_pixels = torch.zeros_like(sets).scatter_(
        0, set_of_run, lengths.cumsum(0) - lengths
    )
    counts = torch.zeros_like(sets).scatter_add_(0, set_of_run, lengths)
    starts = torch.searchsorted(sets, frames)
    numbers = torch.arange(len(sets), device=words.device)
    numbers = (numbers - starts[sets >> hash_bits]).to(_index_type(len(sets)))
    return PixelSets(
        numbers[set_of_run][run_of_pixel].view(words.shape[1:]),
        words.flatten(1)[:, first_pixels],
        counts,
        starts,
    )


def _hash(words: Tensor, num_bits: int) -> Tensor:
    """Hash sets (words, ...) to integers of some bits, shape (...)."""
    generator = random.Random(0)
    keys = torch.zeros_like(words[0])
    for word in words:  # a sum of products modulo 2**64
        keys.add_(word, alpha=generator.getrandbits(62) | 1)
    return keys.bitwise_and_(2**63 - 1).bitwise_right_shift_(63 - num_bits)


def _index_type(number: int) -> torch.dtype:
    """Choose the type of indices below a number."""
    if number <= 2**8:
        return torch.uint8
    return torch.int16 if number <= 2**15 else torch.int32


class VideoSets:
    """Concatenated sets of all frames of a video.

    Args:
        frames (Sequence[FrameSets]): The frames.

    Attributes:
        counts (np.ndarray): Pixels of each set, shape (S, ), int64.
    """

    def __init__(self, frames: Sequence[FrameSets]) -> None:
        counts = [_decode(frame.counts) for frame in frames]
        self._ends = np.cumsum([len(count) for count in counts])
        self.counts = np.concatenate(counts).astype(np.int64)
        self._words = np.concatenate(
            [_decode(frame.words).astype(np.int64) for frame in frames], axis=1
        )

    def of_query(self, query: int) -> np.ndarray:
        """Find the sets that contain a query, shape (n, ), int64."""
        word, bit = divmod(query, WORD_BITS)
        return np.flatnonzero(self._words[word] & (1 << bit))

    def split(self, table: np.ndarray) -> list[np.ndarray]:
        """Split a table of all sets, shape (S, ), into those of the frames."""
        return np.split(table, self._ends[:-1])


def _decode(array: np.ndarray | IndexMap) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.decode()
