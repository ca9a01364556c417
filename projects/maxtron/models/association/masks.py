# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks for association: sampling, overlap, and constant-velocity motion."""

import math

import torch
from torch import Tensor


def sample_masks(
    mask_logits: Tensor, mask_activation: str, max_pixels: int
) -> Tensor:
    """Make binary masks at a reduced resolution.

    Pixels are taken at a regular stride, which is exact for every pixel taken
    and costs less than resizing.

    Args:
        mask_logits (Tensor): Mask logits, shape (B, Q, T, h, w).
        mask_activation (str): 'softmax': a pixel belongs to the query of the
            highest logit. 'sigmoid': to all queries with a logit above 0.
        max_pixels (int): Bound of the pixels of a frame.

    Returns:
        Tensor: Masks, shape (B, Q, T, h', w'), bool.
    """
    stride = math.ceil((math.prod(mask_logits.shape[-2:]) / max_pixels) ** 0.5)
    start = (max(stride, 1) - 1) // 2
    logits = mask_logits[..., start :: max(stride, 1), start :: max(stride, 1)]
    if mask_activation == 'sigmoid':
        return logits > 0
    queries = torch.arange(logits.shape[1], device=logits.device)
    return logits.argmax(1, keepdim=True) == queries[:, None, None, None]


def mask_ious(masks: Tensor, others: Tensor) -> Tensor:
    """Compute the IoU of all pairs of tubes.

    Args:
        masks (Tensor): Masks, shape (n, T, h, w), bool.
        others (Tensor): Masks, shape (m, T, h, w), bool.

    Returns:
        Tensor: IoU, shape (n, m); 0 if both are empty.
    """
    x, y = masks.flatten(1).float(), others.flatten(1).float()
    shared = x @ y.T
    union = x.sum(1)[:, None] + y.sum(1) - shared
    return shared / union.clamp(min=1)


def velocities(masks: Tensor) -> Tensor:
    """Compute how far the centres of masks move from frame to frame.

    Args:
        masks (Tensor): Masks, shape (..., T, h, w), bool. The last two frames
            count.

    Returns:
        Tensor: Motion (rows, columns) in whole pixels per frame, shape
        (..., 2), int64; 0 if a mask is empty in one of the frames.
    """
    height, width = masks.shape[-2:]
    if masks.shape[-3] < 2:
        return torch.zeros(
            *masks.shape[:-3], 2, dtype=torch.int64, device=masks.device
        )
    masks = masks[..., -2:, :, :].float()
    counts = [masks.sum(-1), masks.sum(-2)]  # of rows (..., 2, h), columns
    areas = counts[0].sum(-1)  # (..., 2)
    centres = torch.stack(
        [
            count @ torch.arange(size, device=masks.device).float()
            for count, size in zip(counts, (height, width))
        ],
        -1,
    ) / areas.clamp(min=1).unsqueeze(-1)  # (..., 2 frames, 2)
    motion = (centres[..., 1, :] - centres[..., 0, :]).round().long()
    return motion * (areas > 0).all(-1, keepdim=True)


def shift_masks(masks: Tensor, motion: Tensor) -> Tensor:
    """Shift masks by whole pixels; what leaves the frame is lost.

    Args:
        masks (Tensor): Masks, shape (n, T, h, w), bool.
        motion (Tensor): Rows and columns, shape (n, 2), int64.

    Returns:
        Tensor: Shifted masks, same shape.
    """
    shifted = _shift_rows(masks, motion[:, 0])
    return _shift_rows(shifted.transpose(2, 3), motion[:, 1]).transpose(2, 3)


def _shift_rows(masks: Tensor, motion: Tensor) -> Tensor:
    """Shift the rows of masks (n, T, h, w) by motion (n, )."""
    height = masks.shape[2]
    numbers = torch.arange(len(masks), device=masks.device)
    rows = torch.arange(height, device=masks.device) - motion[:, None]
    inside = (rows >= 0) & (rows < height)  # (n, h)
    shifted = masks.transpose(1, 2)[
        numbers[:, None], rows.clamp(0, height - 1)
    ]  # (n, h, T, w)
    return (shifted & inside[..., None, None]).transpose(1, 2)
