# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Merging of masks into panoptic maps by the rule of MaskFormer."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .instance_topk import resize_in_chunks
from .mask_candidates import check_mask_logits
from .panoptic_merge import PanopticMerger
from .query_sets import QuerySets, VideoSets


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
        self._won = np.zeros(len(cls_logits), np.int64)
        self._areas = np.zeros(len(cls_logits), np.int64)

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
        check_mask_logits(mask_logits)
        for logits in mask_logits.unbind(1):
            winners = self._find_winners(
                logits, (input_shape, img_shape, ori_shape)
            )
            # The set of query q alone is number q + 1, the empty set is 0.
            self._frames.append(QuerySets(len(logits)).encode(winners))

    def _find_winners(
        self, logits: Tensor, shapes: tuple[tuple[int, int], ...]
    ) -> np.ndarray:
        """Find the winning query of each pixel of a frame, and count pixels.

        Args:
            logits (Tensor): Mask logits, shape (N, h, w).
            shapes (tuple[tuple[int, int], ...]): The three sizes of
                :func:`.resize_mask_logits`.

        Returns:
            np.ndarray: 1 + the query, or 0 if the pixel is not inside of its
            mask, shape (H, W), int32.
        """
        input_shape, img_shape, ori_shape = shapes
        best = logits.new_full(ori_shape, -1.0, dtype=torch.float32)
        winners = torch.zeros_like(best, dtype=torch.int32)
        is_inside = torch.zeros_like(best, dtype=torch.bool)
        queries = np.flatnonzero(self._accepted)
        for chosen, chunk in resize_in_chunks(
            logits,
            queries,
            input_shape,
            img_shape,
            ori_shape,
            self.align_corners,
        ):
            probs = chunk.sigmoid_()  # (q, H, W)
            inside = probs >= self.pixel_thr
            self._areas[chosen] += inside.sum((1, 2)).cpu().numpy()
            values, index = (self._scores[chosen, None, None] * probs).max(0)
            # Of equal values that of the first query counts.
            is_better = values > best
            best = torch.where(is_better, values, best)
            numbers = torch.as_tensor(chosen + 1, device=logits.device)
            winners = torch.where(is_better, numbers[index].int(), winners)
            is_inside = torch.where(
                is_better, inside.gather(0, index[None])[0], is_inside
            )
        counts = winners.flatten().bincount(minlength=len(logits) + 1)
        self._won += counts[1:].cpu().numpy()
        return (winners * is_inside).cpu().numpy()

    @staticmethod
    def _classify(cls_logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Compute score and class, which may be void, of each query."""
        scores, labels = cls_logits.detach().float().softmax(-1).max(-1)
        return scores.cpu().double().numpy(), labels.cpu().numpy()

    def _pass_threshold(
        self, scores: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        """Return whether each query has an object, (N, ) bool."""
        is_object = labels != self.num_classes
        return is_object & super()._pass_threshold(scores, labels)

    def _assign(
        self, sets: VideoSets, scores: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, float, np.ndarray]]:
        """Let each query keep its pixels, or none of them."""
        for query in np.flatnonzero(self._accepted).tolist():
            kept = sets.of_query(query)
            # Not a product: the quotient decides in MMDetection.
            area = self._areas[query]
            if len(kept) and self._won[query] / area >= self.overlap_thr:
                yield query, float(scores[query]), kept
