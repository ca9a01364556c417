# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks for association: sampling, overlap, and constant-velocity motion."""

import math

import torch
from torch import Tensor


def sample_masks(
    mask_logits: Tensor,
    queries: Tensor,
    mask_activation: str,
    max_pixels: int,
    frames: Tensor | slice = slice(None),
) -> Tensor:
    """Make binary masks of some queries at a reduced resolution.

    Pixels are taken at regular strides, which costs less than resizing. The
    stride of the rows is twice that of the columns, because the time is that
    of reading cache lines.

    Args:
        mask_logits (Tensor): Mask logits, shape (B, Q, T, h, w).
        queries (Tensor): The queries, shape (B, n), int64. The masks of
            others are empty.
        mask_activation (str): 'softmax': a pixel belongs to the query of the
            highest logit. 'sigmoid': to all queries whose logit is not
            negative.
        max_pixels (int): Bound of the pixels of a frame.
        frames (Tensor | slice): The F frames to sample. Defaults to all.

    Returns:
        Tensor: Masks, shape (B, Q, F, h', w'), bool.
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
    if isinstance(frames, Tensor):
        logits = sampled[clips[..., None], queries[..., None], frames]
    else:
        logits = sampled[clips, queries, frames]
    logits = logits.float()  # (B, n, F, h', w')
    least = torch.zeros_like(logits[:1, :1])
    if mask_activation == 'softmax':
        least = logits.amax(1, keepdim=True)
    masks = logits.new_zeros(
        *sampled.shape[:2], *logits.shape[2:], dtype=torch.bool
    )
    masks[clips, queries] = logits >= least
    return masks


def mask_ious(masks: Tensor, others: Tensor) -> Tensor:
    """Compute the IoU of all pairs of tubes.

    Args:
        masks (Tensor): Masks, shape (n, T, h, w), bool.
        others (Tensor): Masks, shape (m, T, h, w), bool.

    Returns:
        Tensor: IoU, shape (n, m), float32; 0 if both are empty.
    """
    x, y = masks.flatten(1), others.flatten(1)
    if x.is_cuda:  # choosing rows would wait for the device
        return _row_ious(x.float(), y.float())
    rows, columns = (masks.any(1).nonzero() for masks in (x, y))
    ious = torch.zeros(len(x), len(y))
    ious[rows, columns[:, 0]] = _row_ious(
        x[rows[:, 0]].float(), y[columns[:, 0]].float()
    )
    return ious


def _row_ious(x: Tensor, y: Tensor) -> Tensor:
    """Compute the IoU of rows of 0 and 1, shapes (n, P) and (m, P)."""
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
    return (shifted * inside[..., None, None]).transpose(1, 2)
