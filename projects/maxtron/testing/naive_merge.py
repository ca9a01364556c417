# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive panoptic merge, rule by rule on pixels."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..structures import thing_id

Shape = tuple[int, int]


def resize_logits(
    logits: Tensor,
    input_shape: Shape,
    img_shape: Shape,
    ori_shape: Shape,
    align_corners: bool = True,
) -> Tensor:
    """Resize, crop and resize the logits (N, T, h, w) of all frames."""
    for shape, end in ((input_shape, img_shape), (ori_shape, ori_shape)):
        if logits.shape[-2:] != tuple(shape):
            logits = F.interpolate(
                logits, shape, mode='bilinear', align_corners=align_corners
            )
        logits = logits[..., : end[0], : end[1]]
    return logits


def _activate(mask_logits: Tensor, mask_activation: str) -> Tensor:
    """Compute probabilities of masks (N, ...) by softmax over N or sigmoid."""
    if mask_activation == 'softmax':
        return mask_logits.softmax(0)
    return mask_logits.sigmoid()


def naive_merge(
    mask_logits: Tensor,
    cls_logits: Tensor,
    thing_labels: Iterable[int],
    pixel_thr: float,
    thing_thr: float,
    stuff_thr: float,
    overlap_thr: float,
    mask_activation: str = 'softmax',
) -> Tensor:
    """Apply the rules of the merge one by one on pixels.

    Args:
        mask_logits (Tensor): Logits at image size, shape (N, T, H, W).
        cls_logits (Tensor): Shape (N, C + 1), void last.
        thing_labels (Iterable[int]): Labels that are things.
        pixel_thr (float): See :class:`PanopticMerger`.
        thing_thr (float): See :class:`PanopticMerger`.
        stuff_thr (float): See :class:`PanopticMerger`.
        overlap_thr (float): See :class:`PanopticMerger`.
        mask_activation (str): 'softmax' over the masks of a pixel, or
            'sigmoid' of each mask. Defaults to 'softmax'.

    Returns:
        Tensor: Panoptic ids, shape (T, H, W), int32.
    """
    thing_labels = set(thing_labels)
    cls_scores, labels = cls_logits.softmax(-1)[:, :-1].max(-1)
    probs = _activate(mask_logits, mask_activation)
    binary = probs > pixel_thr
    areas = binary.flatten(1).sum(1)
    mask_scores = (probs * binary).flatten(1).sum(1) / areas.clamp(min=1)
    order = (cls_scores * mask_scores).argsort(descending=True, stable=True)
    void = cls_logits.shape[1] - 1
    out = torch.full_like(binary[0], void, dtype=torch.int32)
    free = torch.ones_like(binary[0])
    num_instances = {}
    for query in order.tolist():
        label = int(labels[query])
        threshold = thing_thr if label in thing_labels else stuff_thr
        if not cls_scores[query] > threshold:
            continue
        new = binary[query] & free
        if not int(new.sum()) > overlap_thr * int(areas[query]):
            continue
        segment = label
        if label in thing_labels:
            index = num_instances.get(label, 0)
            num_instances[label] = index + 1
            segment = thing_id(label, index)
        out[new] = segment
        free &= ~new
    return out


def find_ties(
    mask_logits: Tensor,
    pixel_thr: float,
    margin: float = 1e-6,
    mask_activation: str = 'softmax',
) -> Tensor:
    """Find pixels at which a rounding error decides, shape (T, H, W)."""
    ties = []
    for frame in mask_logits.unbind(1):
        probs = _activate(frame, mask_activation)
        ties.append(((probs - pixel_thr).abs() < margin).any(0))
    return torch.stack(ties)
