# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compressed sets of candidate queries of the pixels of a video."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...structures import IndexMap
from .mask_candidates import Candidates


class FrameSets(NamedTuple):
    """Candidate queries of the pixels of one frame.

    Only the S sets that occur in the frame are kept.

    Attributes:
        indices (IndexMap): Set of each pixel, shape (H, W).
        members (IndexMap): Queries of each set, one bit per query,
            shape (ceil(N / 8), S).
        counts (IndexMap): Pixels of each set, shape (S, ).
    """

    indices: IndexMap
    members: IndexMap
    counts: IndexMap


class QuerySets:
    """Numbering of the sets of queries at the pixels of a frame.

    A trie of query sets: each node is its parent's set plus one query. The
    empty set is number 0, and the set of query q alone is number q + 1.

    Args:
        num_queries (int): Number of queries N.
    """

    def __init__(self, num_queries: int) -> None:
        self.num_queries = num_queries
        self._parents = [0] * (num_queries + 1)
        self._last = [-1, *range(num_queries)]
        self._children: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def add_set(self, candidates: Candidates, num_pixels: int) -> np.ndarray:
        """Add the candidate set of each pixel.

        Args:
            candidates (Candidates): Members of the sets.
            num_pixels (int): Number of pixels P.

        Returns:
            np.ndarray: Number of each pixel's set, shape (P, ), int32.
        """
        pixels, queries = candidates.pixels, candidates.queries
        sets = np.zeros(num_pixels, np.int32)
        first = np.empty(num_pixels, np.int32)
        while len(pixels):
            # The last assignment to an index wins. In reverse, the first one
            # does.
            first[pixels[::-1]] = queries[::-1]
            chosen = first[pixels] == queries
            sets[pixels[chosen]] = self._extend(
                sets[pixels[chosen]], queries[chosen]
            )
            pixels, queries = pixels[~chosen], queries[~chosen]
        return sets

    def add_query(
        self, sets: np.ndarray, query: int, mask: np.ndarray
    ) -> None:
        """Add one query to the sets of the pixels of its mask.

        Queries must be added in ascending order.

        Args:
            sets (np.ndarray): Number of each pixel's set, shape (H, W),
                int32, changed in place.
            query (int): Query to add.
            mask (np.ndarray): Mask of the query, shape (H, W), bool.
        """
        old = sets[mask]  # (n, )
        numbers = np.zeros(len(self), np.int32)
        for number in np.bincount(old).nonzero()[0].tolist():
            numbers[number] = self._child(number, query)
        sets[mask] = numbers[old]

    def encode(self, sets: np.ndarray) -> FrameSets:
        """Compress the sets of a frame.

        Args:
            sets (np.ndarray): Number of each pixel's set, shape (H, W),
                int32.

        Returns:
            FrameSets: The sets.
        """
        counts = np.bincount(sets.ravel(), minlength=len(self))
        present = counts.nonzero()[0]  # (S, )
        indices = np.zeros(len(self), np.min_scalar_type(len(present)))
        indices[present] = range(len(present))
        members = np.packbits(self._members(present), axis=0)
        return FrameSets(
            IndexMap.encode(indices[sets]),
            IndexMap.encode(members),
            IndexMap.encode(counts[present]),
        )

    def _child(self, parent: int, query: int) -> int:
        """Look up, or add, the set with one more query."""
        if parent == 0:
            return query + 1
        key = parent * self.num_queries + query
        number = self._children.setdefault(key, len(self))
        if number == len(self):
            self._parents.append(parent)
            self._last.append(query)
        return number

    def _extend(self, sets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Look up, or add, the sets with one more query each, shape (n, )."""
        if not sets.any():
            return queries + 1
        keys, inverse = np.unique(
            sets.astype(np.int64) * self.num_queries + queries,
            return_inverse=True,
        )
        numbers = np.array(
            [self._child(*divmod(k, self.num_queries)) for k in keys.tolist()],
            np.int32,
        )
        return numbers[inverse]

    def _members(self, sets: np.ndarray) -> np.ndarray:
        """Find the queries of each of n sets, shape (N, n), bool."""
        parents, last = np.array(self._parents), np.array(self._last)
        members = np.zeros((self.num_queries, len(sets)), bool)
        index, node = np.arange(len(sets)), sets
        while node.any():
            index, node = index[node > 0], node[node > 0]
            members[last[node], index] = True
            node = parents[node]
        return members


class VideoSets:
    """Concatenated sets of all frames of a video.

    Args:
        frames (Sequence[FrameSets]): The frames.

    Attributes:
        counts (np.ndarray): Pixels of each set, shape (S, ), int64.
    """

    def __init__(self, frames: Sequence[FrameSets]) -> None:
        counts = [frame.counts.decode() for frame in frames]
        self._ends = np.cumsum([len(count) for count in counts])
        self.counts = np.concatenate(counts).astype(np.int64)
        self._members = np.concatenate(
            [frame.members.decode() for frame in frames], axis=1
        )

    def of_query(self, query: int) -> np.ndarray:
        """Find the sets that contain a query, shape (n, ), int64."""
        return np.flatnonzero(self._members[query // 8] & (128 >> query % 8))

    def split(self, table: np.ndarray) -> list[np.ndarray]:
        """Split a table of all sets, shape (S, ), into those of the frames."""
        return np.split(table, self._ends[:-1])
