# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association of the instances of independently merged clips."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .cues import ClipCues
from .queries import QueryAssociation


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

    The linker keeps the last cues of every instance, class by class. It
    assigns the instances of a clip to them at minimum cost. The cost is ``(1 -
    similarity) / 2``, see :class:`QueryAssociation`. Masks thus confirm a link
    between neighbouring clips and do not prevent one after an absence.
    Instances without a match are new.

    Args:
        cost_limit (float): Instances match only below this cost. Defaults to
            0.5: the similarity of the embeddings, if nothing else is
            compared, must be above 0.
        association (QueryAssociation, optional): Settings of the cues.
            Without a memory, no instance is forgotten. Defaults to None:
            embeddings alone.
    """

    def __init__(
        self,
        cost_limit: float = 0.5,
        association: QueryAssociation | None = None,
    ) -> None:
        self.cost_limit = cost_limit
        self.association = association or QueryAssociation()
        self._known: dict[int, _Instances] = {}
        self._num_clips = 0

    @torch.no_grad()
    def update(
        self, labels: Sequence[int], cues: ClipCues | Tensor
    ) -> list[int]:
        """Link the next clip of the video.

        Args:
            labels (Sequence[int]): Class of each thing segment in the order
                of the merge, length n.
            cues (ClipCues | Tensor): Cues of their queries, or mask
                embeddings alone, shape (n, E).

        Returns:
            list[int]: Index of each segment within its class, from 0. An
            object keeps its index in all clips.

        Raises:
            ValueError: If the numbers of labels and embeddings differ.
        """
        labels = np.asarray(labels, dtype=np.int64)
        if isinstance(cues, Tensor):
            cues = ClipCues(cues)
        if len(labels) != len(cues.embeds):
            raise ValueError(
                f'{len(labels)} labels do not fit {len(cues.embeds)} '
                'embeddings.'
            )
        cues = cues.cpu()
        cues = cues._replace(embeds=cues.embeds.double())
        indices = np.empty(len(labels), np.int64)
        for label in np.unique(labels).tolist():
            chosen = np.flatnonzero(labels == label)
            indices[chosen] = self._link(label, cues.select(chosen))
        self._num_clips += 1
        return indices.tolist()

    def _link(self, label: int, current: ClipCues) -> np.ndarray:
        """Find the indices of the instances of one class, shape (n, )."""
        known = self._recall(label, current)
        old, matched = match_up_to(
            self._costs(known, current).numpy(), self.cost_limit
        )
        new = np.setdiff1d(np.arange(len(current.embeds)), matched)
        indices = np.empty(len(current.embeds), np.int64)
        indices[matched] = known.indices[old]
        indices[new] = known.total + np.arange(len(new))
        rest = np.setdiff1d(np.arange(len(known.indices)), old)
        self._known[label] = _Instances(
            known.cues.select(rest).extend(current),
            np.concatenate([known.indices[rest], indices]),
            np.concatenate(
                [known.seen[rest], np.full(len(indices), self._num_clips)]
            ),
            known.total + len(new),
        ).ordered()
        return indices

    def _recall(self, label: int, current: ClipCues) -> '_Instances':
        """Return the known instances of a class that are not forgotten."""
        none = np.empty(0, np.int64)
        known = self._known.get(label)
        if known is None:
            return _Instances(current.select(none), none, none, 0)
        if self.association.memory is None:
            return known
        absent = self._num_clips - known.seen - 1
        return known.select(
            np.flatnonzero(absent <= self.association.memory.max_clips)
        )

    def _costs(self, known: '_Instances', current: ClipCues) -> Tensor:
        """Compute the costs of all links of a class, shape (n, m)."""
        association = self.association
        absent = torch.from_numpy(self._num_clips - known.seen - 1)
        tracks, recall = known.cues.hide(absent > 0), 1.0
        if association.memory is not None:
            recall = association.memory.decay ** absent[:, None]
        similarity = association.similarity(tracks, current, recall)
        return (1 - similarity) / 2


class _Instances(NamedTuple):
    """Known instances of one class.

    Attributes:
        cues (ClipCues): Cues of n instances in the clip that showed them last.
        indices (np.ndarray): Their indices, shape (n, ), ascending.
        seen (np.ndarray): Number of that clip, shape (n, ).
        total (int): Number of indices that were given.
    """

    cues: ClipCues
    indices: np.ndarray
    seen: np.ndarray
    total: int

    def select(self, rows: np.ndarray) -> '_Instances':
        """Choose rows by index, in any order."""
        return _Instances(
            self.cues.select(rows),
            self.indices[rows],
            self.seen[rows],
            self.total,
        )

    def ordered(self) -> '_Instances':
        """Sort the rows by index."""
        return self.select(self.indices.argsort())
