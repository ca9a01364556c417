# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Resizing of mask logits to the size of the original image."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int]
# Pixels of all masks that are resized at a time, on a CPU (they fit its
# caches) and on a GPU.
_CPU_PIXELS = 2**21
_GPU_PIXELS = 2**26


def resize_mask_logits(
    logits: Tensor,
    input_shape: Shape,
    img_shape: Shape,
    ori_shape: Shape,
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


def interpolation_bound(threshold: float) -> float:
    """Bound that a logit exceeds somewhere if resized logits exceed another.

    Bilinear interpolation never leaves the range of its inputs, except for
    rounding errors.

    Args:
        threshold (float): Threshold of the resized logits.

    Returns:
        float: Threshold of the logits before resizing.
    """
    return threshold - 1e-5 * abs(threshold)


def chunk_length(shapes: Sequence[Shape], is_cuda: bool) -> int:
    """Choose the number of masks that are resized at a time.

    It bounds the memory and does not change the result.

    Args:
        shapes (Sequence[tuple[int, int]]): Sizes that occur.
        is_cuda (bool): Whether the masks are on a GPU.

    Returns:
        int: At least 1.
    """
    pixels = _GPU_PIXELS if is_cuda else _CPU_PIXELS
    return max(pixels // max(map(math.prod, shapes)), 1)


def resize_in_chunks(
    logits: Tensor,
    chosen: Sequence[Sequence[int]],
    shapes: tuple[Shape, Shape, Shape],
    align_corners: bool,
) -> Iterator[tuple[int, Sequence[int], Tensor]]:
    """Resize the mask logits of some queries of a clip, a few at a time.

    Args:
        logits (Tensor): Mask logits, shape (N, T, h, w).
        chosen (Sequence[Sequence[int]]): Queries of each frame.
        shapes (tuple): ``input_shape``, ``img_shape`` and ``ori_shape`` of
            :func:`resize_mask_logits`.
        align_corners (bool): See :func:`resize_mask_logits`.

    Yields:
        tuple[int, Sequence[int], Tensor]: A frame, q of its queries, and
        their logits, shape (q, *ori_shape), float32.
    """
    length = chunk_length(shapes, logits.is_cuda)
    for frame, queries in enumerate(chosen):
        for first in range(0, len(queries), length):
            part = queries[first : first + length]
            chunk = logits[part, frame].float()
            yield (
                frame,
                part,
                resize_mask_logits(chunk, *shapes, align_corners),
            )
