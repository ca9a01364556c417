# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training targets of the queries, made from the ground truth of clips."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ....structures import copy_to_cpu, copy_to_device
from ...layers import EPS, at_least_float32
from ..targets import TubeTargets
from .tube_softmax import tube_overlaps


class QueryTargets(NamedTuple):
    """Training targets of the queries of B clips.

    Attributes:
        labels (Tensor): Class, C for "no object", int64, shape (B, N).
        cls_weights (Tensor): Weight in the class loss, shape (B, N): the
            similarity of the masks of query and tube. For a query without a
            tube it is the share of its mask that covers no tube.
        mask_weights (Tensor): Weight in the dice loss, shape (B, N): the
            probability of the class of the tube, 0 for a query without a tube.
        areas (Tensor): Pixels of the tube, shape (B, N).
        query_map (Tensor): Query of each pixel, N for none, int64, shape
            (B, T, h, w).
        log_inverse_areas (Tensor): log(P / area of the tube) at each pixel,
            shape (B, P), P = T * h * w.
    """

    labels: Tensor
    cls_weights: Tensor
    mask_weights: Tensor
    areas: Tensor
    query_map: Tensor
    log_inverse_areas: Tensor

    def sample(self, sampler) -> Tensor:
        """Draw pixels of each clip.

        Args:
            sampler (GumbelPixelSampler): Sampler of pixels.

        Returns:
            Tensor: Indices of pixels, int64, shape (B, K).
        """
        is_void = self.query_map.flatten(1) == self.labels.shape[1]
        return sampler.sample(self.log_inverse_areas, is_void)


@torch.no_grad()
def assign_tubes(
    matcher: BaseAssigner,
    cls_logits: Tensor,
    mask_logits: Tensor,
    tubes: TubeTargets,
) -> QueryTargets:
    """Match the queries with the tubes.

    Args:
        matcher (BaseAssigner): Such as :class:`SimilarityMatcher`.
        cls_logits (Tensor): Class logits, shape (B, N, C + 1).
        mask_logits (Tensor): Mask logits, shape (B, N, T, h, w), at any
            resolution.
        tubes (TubeTargets): Ground truth. If there are more tubes than
            queries, unmatched tubes are ignored.

    Returns:
        QueryTargets: Targets of the queries.
    """
    areas = pad_sequence(tubes.areas, batch_first=True)  # (B, M)
    # All clips are matched on the CPU after one transfer.
    overlaps, cls_probs = copy_to_cpu(
        tube_overlaps(mask_logits, tubes.tube_map, areas.shape[1]),
        at_least_float32(cls_logits).softmax(-1),
    )
    results = [
        matcher.assign(
            InstanceData(scores=scores, overlaps=sums[:, : len(area) + 1]),
            InstanceData(labels=labels, areas=area),
        )
        for scores, sums, labels, area in zip(
            cls_probs, overlaps, tubes.labels, tubes.areas
        )
    ]
    return _make_targets(
        results, overlaps, areas, tubes.tube_map, cls_logits.shape[2] - 1
    )


def _make_targets(
    results: Sequence[AssignResult],
    overlaps: Tensor,
    areas: Tensor,
    tube_map: Tensor,
    no_object: int,
) -> QueryTargets:
    """Make the targets of matched queries.

    Args:
        results (Sequence[AssignResult]): Match of each of B clips.
        overlaps (Tensor): See :func:`tube_overlaps`, on the CPU.
        areas (Tensor): Pixels of the tubes, 0 for none, int64, shape (B, M),
            on the CPU.
        tube_map (Tensor): See :class:`TubeTargets`.
        no_object (int): Label of "no object".

    Returns:
        QueryTargets: On the device of ``tube_map``.
    """
    gt_inds = torch.stack([r.gt_inds for r in results])  # (B, N)
    labels = torch.stack([r.labels for r in results])
    similarities = torch.stack([r.max_overlaps for r in results])
    gt_probs = torch.stack(
        [r.get_extra_property('cls_probs') for r in results]
    )

    matched = gt_inds > 0
    queries = _query_of_tubes(gt_inds, areas.shape[1])
    is_void = queries == gt_inds.shape[1]
    void_part = (overlaps * is_void[:, None]).sum(2) / (overlaps.sum(2) + EPS)
    areas = torch.cat((areas.new_zeros(len(areas), 1), areas), 1)
    pixels = tube_map.flatten(1)  # (B, P)
    inverse_areas = pixels.shape[1] / areas.masked_fill(is_void, 0).clamp(
        min=1
    ).to(overlaps)

    def on_device(x: Tensor) -> Tensor:
        return copy_to_device(x, pixels.device)

    return QueryTargets(
        labels=on_device(labels.masked_fill(~matched, no_object)),
        cls_weights=on_device(
            similarities.where(matched, void_part).clamp(min=EPS)
        ),
        mask_weights=on_device(gt_probs.clamp(min=EPS) * matched),
        areas=on_device(areas.gather(1, gt_inds)),
        query_map=on_device(queries).gather(1, pixels).view_as(tube_map),
        log_inverse_areas=on_device(inverse_areas.log()).gather(1, pixels),
    )


def _query_of_tubes(gt_inds: Tensor, num_tubes: int) -> Tensor:
    """Find the query that is matched with each tube.

    Args:
        gt_inds (Tensor): 0 or 1 + the tube of each query, int64, (B, N).
        num_tubes (int): M.

    Returns:
        Tensor: The query, N for none, int64, shape (B, 1 + M). Column 0
        stands for pixels without a tube, which have no query.
    """
    batch_size, num_queries = gt_inds.shape
    order = torch.arange(num_queries, device=gt_inds.device)
    queries = gt_inds.new_full((batch_size, 1 + num_tubes), num_queries)
    # Unmatched queries write to column 0, which is overwritten below.
    queries.scatter_(1, gt_inds, order.expand_as(gt_inds))
    queries[:, 0] = num_queries
    return queries
