# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Merging of masks into panoptic maps by the rule of MaskFormer."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .mask_resizing import resize_in_chunks
from .panoptic_merge import PanopticMerger
from .query_sets import VideoSets, number_sets, query_bits


class MaskFormerMerger(PanopticMerger):
    """Merger of the masks of all queries by the rule of MaskFormer.

    This is the rule of :class:`mmdet.models.MaskFormerFusionHead` with
    ``filter_low_score=True``. A query is accepted if its best class is not "no
    object" and has a sufficient score. A pixel belongs to the accepted query
    with the greatest product of class score and mask probability. A query
    keeps its pixels if they are a sufficient share of its mask. Pixels outside
    of its mask then become void.

    The rule requires the class scores before the first frame, so
    :meth:`set_classes` must be called first. Each frame is kept as a
    compressed map of the winning queries.

    Args:
        args, kwargs: Arguments of :class:`PanopticMerger`. ``pixel_thr`` is
            the probability inside of a mask, at least. ``overlap_thr`` is
            MMDetection's ``iou_thr``; ``thing_thr`` and ``stuff_thr`` are its
            ``object_mask_thr``.
    """

    def set_classes(self, cls_logits: Tensor) -> None:
        """Set the class logits before the first frame."""
        super().set_classes(cls_logits)
        self._scores = cls_logits.detach().float().softmax(-1).amax(-1)
        self._won = torch.zeros_like(self._accepted, dtype=torch.int64)
        self._areas = torch.zeros_like(self._won)

    @torch.no_grad()
    def update(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
        ori_shape: tuple[int, int],
    ) -> None:
        """Add the next frames, see :class:`PanopticMerger`.

        Raises:
            ValueError: If there are no class scores yet.
        """
        if self._accepted is None:
            raise ValueError('The rule needs classes: call set_classes first.')
        self._start(mask_logits, input_shape, img_shape)
        num_queries, num_frames = mask_logits.shape[:2]
        device = mask_logits.device
        best = torch.full((num_frames, *ori_shape), -1.0, device=device)
        # the winning query, N if there is none
        winners = torch.full_like(best, num_queries, dtype=torch.int64)
        is_inside = torch.zeros_like(best, dtype=torch.bool)
        for t, queries, chunk in resize_in_chunks(
            mask_logits,
            self._choose(mask_logits),
            (input_shape, img_shape, ori_shape),
            self.align_corners,
        ):
            numbers = torch.tensor(queries, device=device)
            probs = chunk.sigmoid_()  # (q, H, W)
            inside = probs >= self.pixel_thr
            self._areas[numbers] += inside.sum((1, 2))
            values, index = (self._scores[numbers, None, None] * probs).max(0)
            # Of equal values that of the first query counts.
            is_better = values > best[t]
            best[t] = torch.where(is_better, values, best[t])
            winners[t] = torch.where(is_better, numbers[index], winners[t])
            is_inside[t] = torch.where(
                is_better, inside.gather(0, index[None])[0], is_inside[t]
            )
        won = self._won.new_zeros(num_queries + 1)
        winners = winners.flatten()
        self._won += won.scatter_add_(0, winners, torch.ones_like(winners))[
            :-1
        ]
        bits = query_bits(num_queries + 1).to(device)
        bits[:, -1] = 0
        words = bits[:, winners].view(-1, *best.shape) * is_inside
        self._pending = number_sets(words)

    def _sums(self) -> tuple[Tensor, ...]:
        """Return pixels won and pixels inside of the masks, (N, ) each."""
        return self._won, self._areas

    @staticmethod
    def _classify(cls_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Compute score and class, which may be void, of each query."""
        scores, labels = cls_logits.detach().float().softmax(-1).max(-1)
        return scores.double(), labels

    def _pass_threshold(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return whether each query has an object, (N, ) bool."""
        is_object = labels != self.num_classes
        return is_object & super()._pass_threshold(scores, labels)

    def _assign(
        self,
        sets: VideoSets,
        accepted: np.ndarray,
        scores: np.ndarray,
        *sums: np.ndarray,
    ) -> Iterator[tuple[int, float, np.ndarray]]:
        """Let each query keep its pixels, or none of them."""
        won, areas = sums
        for query in np.flatnonzero(accepted).tolist():
            kept = sets.of_query(query)
            # Not a product: the quotient decides in MMDetection.
            if len(kept) and won[query] / areas[query] >= self.overlap_thr:
                yield query, float(scores[query]), kept
