# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Links the instances of independently merged clips."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def match_up_to(
    cost: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Best partial assignment of pairs that cost less than a limit.

    The assignment minimises the cost of the pairs plus ``limit / 2`` for each
    row and column without a pair. ``lap.lapjv(cost, extend_cost=True,
    cost_limit=limit)`` gives the same result from an extended matrix. Here the
    costs are clipped at the limit, and pairs at the limit are dropped.

    Args:
        cost (np.ndarray): Cost of each pair, shape (n, m).
        limit (float): Bound of the cost.

    Returns:
        tuple[np.ndarray, np.ndarray]: Rows and columns of the pairs.
    """
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    good = cost[rows, columns] < limit
    return rows[good], columns[good]


class SegmentLinker:
    """Gives instances of consecutive clips the same index within a class.

    The last embedding of every instance seen so far is kept, class by class.
    The instances of a clip are assigned to them at the least cost
    ``(1 - cosine similarity) / 2``; the rest are new.

    Args:
        cost_limit (float): Instances only match below this cost. Defaults to
            0.5, which is a similarity above 0.
    """

    def __init__(self, cost_limit: float = 0.5) -> None:
        self.cost_limit = cost_limit
        self._memory: dict[int, Tensor] = {}

    @torch.no_grad()
    def update(self, labels: Sequence[int], embeds: Tensor) -> list[int]:
        """Link the next clip of the video.

        Args:
            labels (Sequence[int]): Class of each thing segment in the order
                of the merge, length n.
            embeds (Tensor): Mask embeddings of their queries, shape (n, E).

        Returns:
            list[int]: Index of each segment within its class, from 0, which
            is the same for the same object in all clips.

        Raises:
            ValueError: If there are not as many labels as embeddings.
        """
        labels = np.asarray(labels, dtype=np.int64)
        if len(labels) != len(embeds):
            raise ValueError(
                f'{len(labels)} labels do not fit {len(embeds)} embeddings.'
            )
        embeds = F.normalize(embeds.double().cpu(), dim=-1)
        indices = np.empty(len(labels), np.int64)
        for label in np.unique(labels).tolist():
            chosen = np.flatnonzero(labels == label)
            indices[chosen] = self._link(label, embeds[chosen])
        return indices.tolist()

    def _link(self, label: int, current: Tensor) -> np.ndarray:
        """Indices of the instances of one class, shape (n, )."""
        memory = self._memory.get(label, current[:0])
        cost = (1 - memory @ current.T) / 2
        old, matched = match_up_to(cost.numpy(), self.cost_limit)
        memory[old] = current[matched]
        new = np.setdiff1d(np.arange(len(current)), matched)
        indices = np.empty(len(current), np.int64)
        indices[matched] = old
        indices[new] = len(memory) + np.arange(len(new))
        self._memory[label] = torch.cat((memory, current[new]))
        return indices
