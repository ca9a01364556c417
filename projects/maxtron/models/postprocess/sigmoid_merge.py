# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Merging of masks with independent probabilities into panoptic maps."""

import torch
from torch import Tensor

from .mask_resizing import interpolation_bound, resize_in_chunks
from .panoptic_merge import PanopticMerger
from .query_sets import WORD_BITS, number_sets


class SigmoidPanopticMerger(PanopticMerger):
    """Merger of masks with independent probabilities into panoptic maps.

    The rules are those of :class:`PanopticMerger`, but the probability of a
    query at a pixel is the sigmoid of its logit, so any number of queries can
    be candidates of a pixel.

    Args:
        args, kwargs: Arguments of :class:`PanopticMerger`.
    """

    @torch.no_grad()
    def update(
        self,
        mask_logits: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
        ori_shape: tuple[int, int],
    ) -> None:
        """Add the next frames, see :class:`PanopticMerger`."""
        self._start(mask_logits, input_shape, img_shape)
        highest = mask_logits.float().amax((2, 3))  # (N, T)
        chosen = self._choose(
            mask_logits, highest > interpolation_bound(self._logit_thr)
        )
        words = torch.zeros(
            (-(-len(mask_logits) // WORD_BITS), len(chosen), *ori_shape),
            dtype=torch.int64,
            device=mask_logits.device,
        )
        for frame, queries, chunk in resize_in_chunks(
            mask_logits,
            chosen,
            (input_shape, img_shape, ori_shape),
            self.align_corners,
        ):
            masks = chunk > self._logit_thr
            prob_sums = chunk.sigmoid_().mul_(masks).sum((1, 2)).double()
            for query, mask, prob_sum in zip(queries, masks, prob_sums):
                word, bit = divmod(query, WORD_BITS)
                words[word, frame].add_(mask, alpha=1 << bit)
                self._prob_sums[query] += prob_sum
        self._pending = number_sets(words)
