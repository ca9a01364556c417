# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks for association: sampling, overlap, and constant-velocity motion."""

import math

import torch
from torch import Tensor


def sample_masks(
    mask_logits: Tensor, queries: Tensor, mask_activation: str, max_pixels: int
) -> Tensor:
    """Make binary masks of some queries at a reduced resolution.

    Pixels are taken at regular strides, which costs less than resizing. The
    stride of the rows is twice that of the columns, because the time is that
    of reading cache lines. The masks are of type float32, because their
    products are computed next.

    Args:
        mask_logits (Tensor): Mask logits, shape (B, Q, T, h, w).
        queries (Tensor): The queries, shape (B, n), int64. The masks of
            others are empty.
        mask_activation (str): 'softmax': a pixel belongs to the query of the
            highest logit. 'sigmoid': to all queries whose logit is not
            negative.
        max_pixels (int): Bound of the pixels of a frame.

    Returns:
        Tensor: Masks of 0 and 1, shape (B, Q, T, h', w'), float32.
    """
    pixels = math.prod(mask_logits.shape[-2:])
    factors = (1, 1)
    if pixels > max_pixels:
        factors = (2 * pixels / max_pixels, pixels / max_pixels / 2)
    strides = [math.ceil(factor**0.5) for factor in factors]
    sampled = mask_logits[
        (..., *(slice((s - 1) // 2, None, s) for s in strides))
    ]
    clips = torch.arange(len(queries), device=queries.device)[:, None]
    logits = sampled[clips, queries].float()  # (B, n, T, h', w')
    least = torch.zeros_like(logits[:1, :1])
    if mask_activation == 'softmax':
        least = logits.amax(1, keepdim=True)
    masks = logits.new_zeros(sampled.shape)
    masks[clips, queries] = (logits >= least).float()
    return masks


def mask_ious(masks: Tensor, others: Tensor) -> Tensor:
    """Compute the IoU of all pairs of tubes.

    Args:
        masks (Tensor): Masks of 0 and 1, shape (n, T, h, w).
        others (Tensor): Masks of 0 and 1, shape (m, T, h, w).

    Returns:
        Tensor: IoU, shape (n, m); 0 if both are empty.
    """
    x, y = masks.flatten(1), others.flatten(1)
    areas, other_areas = x.sum(1), y.sum(1)
    if x.is_cuda:  # choosing rows would wait for the device
        shared = x @ y.T
    else:
        rows, columns = areas.nonzero(), other_areas.nonzero()[:, 0]
        shared = x.new_zeros(len(x), len(y))
        shared[rows, columns] = x[rows[:, 0]] @ y[columns].T
    union = areas[:, None] + other_areas - shared
    return shared / union.clamp(min=1)


def velocities(masks: Tensor) -> Tensor:
    """Compute how far the centres of masks move from frame to frame.

    Args:
        masks (Tensor): Masks of 0 and 1, shape (..., T, h, w). The last two
            frames count.

    Returns:
        Tensor: Motion (rows, columns) in whole pixels per frame, shape
        (..., 2), int64; 0 if a mask is empty in one of the frames.
    """
    height, width = masks.shape[-2:]
    if masks.shape[-3] < 2:
        return torch.zeros(
            *masks.shape[:-3], 2, dtype=torch.int64, device=masks.device
        )
    masks = masks[..., -2:, :, :]
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
        masks (Tensor): Masks of 0 and 1, shape (n, T, h, w).
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
    return (shifted * inside[..., None, None]).transpose(1, 2)
