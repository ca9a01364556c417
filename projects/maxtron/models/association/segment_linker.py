# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association of the instances of independently merged clips."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def match_up_to(
    cost: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best partial assignment of pairs below a cost limit.

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
    """Assignment of consistent indices to the instances of consecutive clips.

    The linker keeps the last embedding of every instance, class by class. It
    assigns the instances of a clip to them at minimum cost ``(1 - cosine
    similarity) / 2``. Instances without a match are new.

    Args:
        cost_limit (float): Instances match only below this cost. Defaults to
            0.5: the similarity must be above 0.
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
            list[int]: Index of each segment within its class, from 0. An
            object keeps its index in all clips.

        Raises:
            ValueError: If the numbers of labels and embeddings differ.
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
        """Find the indices of the instances of one class, shape (n, )."""
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
