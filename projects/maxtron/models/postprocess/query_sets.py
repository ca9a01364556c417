# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sets of the queries that are candidates of a pixel."""

import numpy as np

from .mask_candidates import Candidates


class QuerySets:
    """Numbers the sets of queries that occur at pixels.

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
        """Add the candidate set of each pixel of a frame.

        Args:
            candidates (:obj:`Candidates`): Members of the sets.
            num_pixels (int): Number of pixels P.

        Returns:
            np.ndarray: Number of each pixel's set, shape (P, ), int32.
        """
        pixels, queries = candidates.pixels, candidates.queries
        sets = np.zeros(num_pixels, np.int32)
        first = np.empty(num_pixels, np.int32)
        while len(pixels):
            # The last assignment to an index wins, so in reverse the first.
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
            query (int): The query.
            mask (np.ndarray): Its mask, shape (H, W), bool.
        """
        old = sets[mask]  # (n, )
        numbers = np.zeros(len(self), np.int32)
        for number in np.bincount(old).nonzero()[0].tolist():
            numbers[number] = self._child(number, query)
        sets[mask] = numbers[old]

    def _child(self, parent: int, query: int) -> int:
        """Number of a set with one more query, new if it does not exist."""
        if parent == 0:
            return query + 1
        key = parent * self.num_queries + query
        number = self._children.setdefault(key, len(self))
        if number == len(self):
            self._parents.append(parent)
            self._last.append(query)
        return number

    def _extend(self, sets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Numbers of the sets with one more query each, shape (n, )."""
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

    def sets_of_queries(self) -> list[np.ndarray]:
        """Find the sets that contain each query.

        Returns:
            list[np.ndarray]: Numbers of the sets of each query, N arrays of
            shape (number of sets, ), int64.
        """
        parents, last = np.array(self._parents), np.array(self._last)
        node = np.arange(len(self))
        pairs = []
        top = node
        while top.any():
            node, top = node[top > 0], top[top > 0]
            pairs.append((last[top], node))
            top = parents[top]
        queries, nodes = (np.concatenate(part) for part in zip(*pairs))
        order = queries.argsort(kind='stable')
        ends = np.bincount(queries, minlength=self.num_queries).cumsum()
        return np.split(nodes[order], ends[:-1])
