# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Merging of masks with independent probabilities into panoptic maps."""

import numpy as np
import torch
from torch import Tensor

from .instance_topk import resize_in_chunks
from .mask_candidates import check_mask_logits
from .panoptic_merge import PanopticMerger
from .query_sets import QuerySets


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
        check_mask_logits(mask_logits)
        queries = np.arange(len(mask_logits))
        if self._accepted is not None:
            queries = queries[self._accepted]
        for logits in mask_logits.unbind(1):
            query_sets = QuerySets(len(logits))
            sets = np.zeros(ori_shape, np.int32)
            for chosen, chunk in resize_in_chunks(
                logits,
                queries,
                input_shape,
                img_shape,
                ori_shape,
                self.align_corners,
            ):
                masks = chunk > self._logit_thr
                prob_sums = chunk.sigmoid().mul_(masks).sum((1, 2))
                self._prob_sums[chosen] += prob_sums.double().cpu().numpy()
                for query, mask in zip(map(int, chosen), masks.cpu().numpy()):
                    query_sets.add_query(sets, query, mask)
            self._frames.append(query_sets.encode(sets))
