# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks that do not compete for the pixels, to panoptic maps."""

import math

import numpy as np
import torch
from pycocotools import mask as mask_utils
from torch import Tensor

from ...structures import IndexMap, PanopticMap
from .instance_topk import encode_frame
from .panoptic_merge import PanopticMerger, PanopticResult


class SingleMaskMerger(PanopticMerger):
    """Merges masks with probabilities of their own into panoptic maps.

    By the rules of :class:`PanopticMerger`, but the probability of a query at
    a pixel is the sigmoid of its logit, so that any number of queries may
    have one. Of a frame the run-length encoded masks of all queries are kept,
    and decided upon without being decoded.

    Args:
        args, kwargs: As for :class:`PanopticMerger`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._areas = 0  # of each query, in all frames
        self.logit_thr = math.log(self.pixel_thr / (1 - self.pixel_thr))

    @torch.no_grad()
    def update(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
        ori_shape: tuple[int, int],
    ) -> None:
        """Take in the next frames, see :class:`PanopticMerger`."""
        self._count_queries(mask_logits, input_shape, img_shape)
        if not mask_logits.isfinite().all():
            raise ValueError(
                'The mask logits hold nan or inf: the model has '
                'diverged or its weights do not fit.'
            )
        for logits in mask_logits.unbind(1):
            masks = encode_frame(
                logits,
                input_shape,
                img_shape,
                ori_shape,
                self.align_corners,
                self.logit_thr,
            )
            areas = mask_utils.area(masks.rles).astype(int)
            self._areas = self._areas + areas
            self._prob_sums += masks.scores.double().numpy() * areas
            self._frames.append(masks.rles)

    def _merge(self, scores: np.ndarray, labels: list[int]) -> PanopticResult:
        taken = [_empty(rles[0]['size']) for rles in self._frames]
        accepted = []

        def count_free(query):
            return self._areas[query] - sum(
                int(mask_utils.area(_merged(rles[query], other, True)))
                for rles, other in zip(self._frames, taken)
            )

        def take(query, segment_id):
            accepted.append((query, segment_id))
            taken[:] = [
                _merged(rles[query], other, False)
                for rles, other in zip(self._frames, taken)
            ]

        segments = self._decide(scores, labels, self._areas, count_free, take)
        return PanopticResult(
            [self._paint(rles, accepted) for rles in self._frames], segments
        )

    def _paint(
        self, rles: list[dict], accepted: list[tuple[int, int]]
    ) -> PanopticMap:
        """Map of a frame, of (query, panoptic id), the best on top."""
        index = np.zeros(rles[0]['size'], np.int32)
        table = np.array(
            [self.num_classes, *(i for _, i in accepted)], np.int32
        )
        for i, (query, _) in reversed(list(enumerate(accepted, 1))):
            index[mask_utils.decode(rles[query]).astype(bool)] = i
        present, index = np.unique(index, return_inverse=True)
        return PanopticMap(
            IndexMap.encode(index.reshape(rles[0]['size'])),
            table[present],
            self.num_classes,
        )


def _empty(size: list[int]) -> dict:
    """Run-length encoding of an empty mask of a height and width."""
    return mask_utils.encode(np.zeros(size, np.uint8, order='F'))


def _merged(first: dict, second: dict, intersect: bool) -> dict:
    """Intersection or union of two run-length encoded masks."""
    return mask_utils.merge([first, second], intersect=intersect)
