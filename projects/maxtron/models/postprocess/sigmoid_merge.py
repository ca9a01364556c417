# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic maps of masks whose probabilities are sigmoids."""

import numpy as np
import torch
from torch import Tensor

from .instance_topk import resize_mask_logits
from .mask_candidates import check_mask_logits
from .panoptic_merge import PanopticMerger

# Queries held at the size of the image at a time.
_CHUNK_SIZE = 16


class SigmoidPanopticMerger(PanopticMerger):
    """Merges masks with independent probabilities into panoptic maps.

    The rules are those of :class:`PanopticMerger`, but the probability of a
    query at a pixel is the sigmoid of its logit, so any number of queries can
    be candidates of a pixel.

    Args:
        args, kwargs: As for :class:`PanopticMerger`.
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
        check_mask_logits(mask_logits)
        for logits in mask_logits.unbind(1):
            sets = np.zeros(ori_shape, np.int32)
            prob_sums = []
            for first in range(0, len(logits), _CHUNK_SIZE):
                chunk = resize_mask_logits(
                    logits[first : first + _CHUNK_SIZE].float(),
                    input_shape,
                    img_shape,
                    ori_shape,
                    self.align_corners,
                )  # (q, H, W)
                masks = chunk > self._logit_thr
                prob_sums.append(chunk.sigmoid().mul_(masks).sum((1, 2)))
                for query, mask in enumerate(masks.cpu().numpy(), first):
                    self._sets.add_query(sets, query, mask)
            self._prob_sums += torch.cat(prob_sums).double().cpu().numpy()
            self._add_frame(sets)
