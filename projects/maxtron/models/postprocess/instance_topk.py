# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of mask logits and class logits to instances, frame by frame."""

import math
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils
from torch import Tensor

from ...structures import copy_to_cpu, copy_to_device
from .mask_resizing import (
    chunk_length,
    interpolation_bound,
    resize_mask_logits,
)
from .run_lengths import encode_edges, find_edges


class FrameMasks(NamedTuple):
    """Final masks of all queries in one frame, compressed.

    Attributes:
        rles (list[dict]): COCO run-length encoding of each query's mask at
            the size of the original image.
        scores (Tensor): Mean probability inside each mask, 0 if it is empty,
            shape (Q, ) on the CPU.
        bboxes (Tensor): Boxes (x1, y1, x2, y2) of the masks in pixels, zero if
            the mask is empty, shape (Q, 4) on the CPU.
    """

    rles: list[dict]
    scores: Tensor
    bboxes: Tensor


def top_pairs(
    cls_logits: Tensor, max_num: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the best (query, class) pairs of a video.

    Args:
        cls_logits (Tensor): Class logits with shape (Q, C + 1), "no object"
            last.
        max_num (int): Number of pairs to keep.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Scores, query indices and labels, each
        of shape (min(max_num, Q * C), ), in no particular order.
    """
    scores = cls_logits.softmax(-1)[:, :-1]
    num_classes = scores.shape[1]
    scores, index = scores.flatten().topk(
        min(max_num, scores.numel()), sorted=False
    )
    return scores, index // num_classes, index % num_classes


def softmax_to_sigmoid_logits(logits: Tensor) -> Tensor:
    """Convert logits of a softmax over the queries to logits of a sigmoid.

    Args:
        logits (Tensor): Mask logits with shape (Q, ...), whose softmax over
            the queries are the probabilities p.

    Returns:
        Tensor: log(p / (1 - p)), float32, same shape. The values of two
        queries never sum to more than 0, so their masks do not overlap, even
        after resizing.
    """
    logits = logits.float()
    best, index = logits.max(0, keepdim=True)
    # 1 - p of the best query would be lost in the rounding of p.
    others = logits.scatter(0, index, -torch.inf).logsumexp(0, keepdim=True)
    log_probs = logits.log_softmax(0)
    odds = log_probs - torch.log1p(-log_probs.exp())
    # The clamp keeps the logits of a single query finite.
    return odds.scatter(0, index, best - others).clamp(-1e4, 1e4)


def encode_clip(
    logits: Tensor,
    input_shape: tuple[int, int],
    img_shape: tuple[int, int],
    ori_shape: tuple[int, int],
    align_corners: bool = False,
    logit_thr: float = 0.0,
    chunk_size: int | None = None,
) -> list[FrameMasks]:
    """Resize, binarise, score and encode the masks of the frames of a clip.

    Only masks that have pixels are resized. The device of the logits is
    waited for once to find these, once per chunk, and once for the results.

    Args:
        logits (Tensor): Mask logits, shape (Q, T, h, w).
        input_shape (tuple[int, int]): Height and width of the padded input.
        img_shape (tuple[int, int]): Height and width before padding.
        ori_shape (tuple[int, int]): Height and width of the original image.
        align_corners (bool): See :func:`resize_mask_logits`. Defaults to
            False.
        logit_thr (float): Logit that masks exceed. Defaults to 0.
        chunk_size (int, optional): Number of masks that are processed at full
            size at a time. It bounds the memory and does not change the
            result. Defaults to None, see :func:`chunk_length`.

    Returns:
        list[FrameMasks]: Masks ``logits > logit_thr`` of all queries, one per
        frame.
    """
    num_queries, num_frames = logits.shape[:2]
    shapes = (input_shape, img_shape, ori_shape)
    if chunk_size is None:
        chunk_size = chunk_length(shapes, logits.is_cuda)
    is_visible = logits.amax((2, 3)) > interpolation_bound(logit_thr)
    frames, queries = is_visible.T.cpu().nonzero(as_tuple=True)
    edges: list[Tensor] = []
    sums: list[Tensor] = []
    # Without a visible mask, split would return an empty chunk.
    index = copy_to_device(torch.stack((frames, queries)), logits.device)
    chunks = index.split(chunk_size, dim=1)
    for t, q in chunks if len(frames) else ():
        chunk = resize_mask_logits(
            logits[q, t].float(), *shapes, align_corners
        )  # (n, H, W)
        masks = chunk > logit_thr
        start = sum(len(x) for x in sums) * math.prod(ori_shape)
        edges.append(find_edges(masks) + start)
        sums.append(chunk.sigmoid_().mul_(masks).flatten(1).sum(1))
    (empty,) = encode_edges(np.zeros(0, np.int64), 1, ori_shape)
    rles = [
        [dict(empty) for _ in range(num_queries)] for _ in range(num_frames)
    ]
    prob_sums = torch.zeros(num_frames, num_queries)
    if sums:
        all_edges, all_sums = copy_to_cpu(torch.cat(edges), torch.cat(sums))
        prob_sums[frames, queries] = all_sums
        found = encode_edges(all_edges.numpy(), len(frames), ori_shape)
        for t, q, rle in zip(frames.tolist(), queries.tolist(), found):
            rles[t][q] = rle
    return [_make_masks(*frame) for frame in zip(rles, prob_sums)]


def _make_masks(rles: list[dict], prob_sums: Tensor) -> FrameMasks:
    """Compute scores and boxes of a frame from sums of probabilities."""
    areas = torch.from_numpy(mask_utils.area(rles).astype(np.float32))
    bboxes = torch.from_numpy(mask_utils.toBbox(rles))
    bboxes[:, 2:] += bboxes[:, :2]
    return FrameMasks(rles, prob_sums / (areas + 1e-6), bboxes.float())


def frame_instances(
    masks: FrameMasks,
    scores: Tensor,
    queries: Tensor,
    labels: Tensor,
    ids: Tensor,
    max_num: int,
) -> dict[str, object]:
    """Select the best instances of one frame.

    The score of an instance is its class score times its mask score.

    Args:
        masks (FrameMasks): Masks of all queries in the frame.
        scores (Tensor): Class scores of n candidates, shape (n, ).
        queries (Tensor): Query of each candidate, shape (n, ), int64.
        labels (Tensor): Class of each candidate, shape (n, ), int64.
        ids (Tensor): Identity of each candidate, shape (n, ), int64.
        max_num (int): Number of instances to keep.

    Returns:
        dict[str, Tensor | list[dict]]: ``instances_id``, ``labels``,
        ``scores``, ``bboxes`` and ``masks`` (COCO RLE) of the kept
        instances, best first.
    """
    scores, order = (scores * masks.scores[queries]).sort(
        descending=True, stable=True
    )
    order = order[:max_num]
    return dict(
        instances_id=ids[order],
        labels=labels[order],
        scores=scores[:max_num],
        bboxes=masks.bboxes[queries[order]],
        masks=[masks.rles[q] for q in queries[order].tolist()],
    )


def select_instances(
    frames: list[FrameMasks],
    scores: Tensor,
    queries: Tensor,
    labels: Tensor,
    ids: Tensor,
    max_num: int,
) -> list[InstanceData]:
    """Select the best instances of each frame.

    Args:
        frames (list[FrameMasks]): Masks of each frame.
        scores (Tensor): Class scores of n candidates, shape (n, ).
        queries (Tensor): Query of each candidate, shape (n, ), int64.
        labels (Tensor): Class of each candidate, shape (n, ), int64.
        ids (Tensor): Identity of each candidate, shape (n, ), int64.
        max_num (int): Number of instances to keep in a frame.

    Returns:
        list[InstanceData]: One per frame.
    """
    return [
        InstanceData(
            **frame_instances(frame, scores, queries, labels, ids, max_num)
        )
        for frame in frames
    ]
