# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of mask logits and class logits to instances, frame by frame."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils
from torch import Tensor

# Number of queries that are processed at full size at a time.
_CHUNK_SIZE = 16


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


def resize_mask_logits(
    logits: Tensor,
    input_shape: tuple[int, int],
    img_shape: tuple[int, int],
    ori_shape: tuple[int, int],
    align_corners: bool = False,
) -> Tensor:
    """Resize mask logits to the size of the original image.

    As in the references, logits are resized to the padded input, the padding
    is cropped, and the rest is resized to the original image.

    Args:
        logits (Tensor): Mask logits of one frame, shape (Q, h, w).
        input_shape (tuple[int, int]): Height and width of the padded input.
        img_shape (tuple[int, int]): Height and width before padding.
        ori_shape (tuple[int, int]): Height and width of the original image.
        align_corners (bool): As for :func:`torch.nn.functional.interpolate`.
            Defaults to False.

    Returns:
        Tensor: Logits with shape (Q, *ori_shape).
    """
    logits = logits[None]
    cfg: dict[str, Any] = dict(mode='bilinear', align_corners=align_corners)
    if logits.shape[-2:] != tuple(input_shape):
        logits = F.interpolate(logits, input_shape, **cfg)
    logits = logits[..., : img_shape[0], : img_shape[1]]
    if logits.shape[-2:] != tuple(ori_shape):
        logits = F.interpolate(logits, ori_shape, **cfg)
    return logits[0]


def resize_in_chunks(
    logits: Tensor,
    queries: np.ndarray,
    input_shape: tuple[int, int],
    img_shape: tuple[int, int],
    ori_shape: tuple[int, int],
    align_corners: bool,
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Resize the mask logits of some queries, a few at a time.

    Args:
        logits (Tensor): Mask logits of one frame, shape (N, h, w).
        queries (np.ndarray): Numbers of the queries.
        input_shape (tuple[int, int]): See :func:`resize_mask_logits`.
        img_shape (tuple[int, int]): See :func:`resize_mask_logits`.
        ori_shape (tuple[int, int]): See :func:`resize_mask_logits`.
        align_corners (bool): See :func:`resize_mask_logits`.

    Yields:
        tuple[np.ndarray, Tensor]: The queries of a chunk, shape (q, ), and
        their logits, shape (q, *ori_shape), float32.
    """
    for first in range(0, len(queries), _CHUNK_SIZE):
        chosen = queries[first : first + _CHUNK_SIZE]
        yield (
            chosen,
            resize_mask_logits(
                logits[chosen].float(),
                input_shape,
                img_shape,
                ori_shape,
                align_corners,
            ),
        )


def encode_frame(
    logits: Tensor,
    input_shape: tuple[int, int],
    img_shape: tuple[int, int],
    ori_shape: tuple[int, int],
    align_corners: bool = False,
    logit_thr: float = 0.0,
    chunk_size: int = 16,
) -> FrameMasks:
    """Resize, binarise, score and encode the masks of one frame.

    Args:
        logits (Tensor): Mask logits of one frame, shape (Q, h, w).
        input_shape (tuple[int, int]): Height and width of the padded input.
        img_shape (tuple[int, int]): Height and width before padding.
        ori_shape (tuple[int, int]): Height and width of the original image.
        align_corners (bool): See :func:`resize_mask_logits`. Defaults to
            False.
        logit_thr (float): Logit that masks exceed. Defaults to 0.
        chunk_size (int): Number of queries that are processed at full size at
            a time. It bounds the memory and does not change the result.
            Defaults to 16.

    Returns:
        FrameMasks: Masks ``logits > logit_thr`` of all queries.
    """
    rles, scores = [], []
    for chunk in logits.split(chunk_size):
        chunk = resize_mask_logits(
            chunk.float(), input_shape, img_shape, ori_shape, align_corners
        )  # (q, H, W)
        masks = chunk > logit_thr
        scores.append(chunk.sigmoid().mul_(masks).flatten(1).sum(1))
        # pycocotools reads column-major (H, W, q)
        columns = masks.transpose(1, 2).contiguous().cpu().numpy()
        rles += mask_utils.encode(columns.view(np.uint8).transpose(2, 1, 0))
    areas = torch.from_numpy(mask_utils.area(rles).astype(np.float32))
    bboxes = torch.from_numpy(mask_utils.toBbox(rles))
    bboxes[:, 2:] += bboxes[:, :2]
    return FrameMasks(
        rles, torch.cat(scores).cpu() / (areas + 1e-6), bboxes.float()
    )


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
