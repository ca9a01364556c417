# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Colours of masks for association.

The colour of a mask is the shares of red, green and blue in its mean. It does
not depend on the brightness, and unlike an embedding, it does not depend on
where the object is.
"""

from functools import lru_cache

import torch
from torch import Tensor

from ...errors import InputError
from ...structures import ClipPrediction, copy_to_device
from .masks import sum_by_owner

PixelScale = tuple[Tensor, Tensor]
_SCALE = 0.04  # of differences


def read_colors(
    clips: ClipPrediction,
    grid: tuple[slice, slice],
    frames: tuple[int, ...],
    pixel_scale: PixelScale | None,
) -> Tensor:
    """Read the colours of sampled pixels of the masks.

    Args:
        clips (ClipPrediction): Prediction of B clips, with ``frames``.
        grid (tuple[slice, slice]): Rows and columns of the masks, see
            :func:`sample_grid`.
        frames (tuple[int, ...]): The F frames.
        pixel_scale (tuple[Tensor, Tensor], optional): Mean and standard
            deviation that normalise the frames, shape (3, 1, 1).

    Returns:
        Tensor: Colours, not negative, shape (B, F * h' * w', 3), float32.

    Raises:
        InputError: If the clips have no frames.
    """
    if clips.frames is None:
        raise InputError(
            'model.head.association.color_weight compares colours, but the '
            'clips have no frames; set it to 0.'
        )
    device = clips.frames.device
    rows, columns = (
        _frame_spots(*sizes, part.start, part.step, device)
        for *sizes, part in zip(
            clips.mask_logits.shape[-2:], clips.frames.shape[-2:], grid
        )
    )
    read = _listed(frames, device)[:, None, None]
    colors = clips.frames[
        :, read, :, rows[:, None], columns
    ].float()  # (F, h', w', B, 3)
    if pixel_scale is not None:
        mean, std = (copy_to_device(x, device) for x in pixel_scale)
        colors = colors * std.flatten() + mean.flatten()
    return colors.movedim(-2, 0).flatten(1, 3).clamp(min=0)


@lru_cache(maxsize=8)
def _listed(frames: tuple[int, ...], device: torch.device) -> Tensor:
    """Return frames as a tensor, shape (F, ), int64."""
    return torch.tensor(frames, device=device)


@lru_cache(maxsize=8)
def _frame_spots(
    size: int, length: int, start: int, step: int, device: torch.device
) -> Tensor:
    """List the pixels of a frame at the centres of pixels of a mask.

    Args:
        size (int): Rows (or columns) of the mask.
        length (int): Rows (or columns) of the frame.
        start (int): First row of the mask.
        step (int): Stride of the rows of the mask.
        device (torch.device): Device of the result.

    Returns:
        Tensor: Rows of the frame, shape (n, ), int64.
    """
    spots = torch.arange(start, size, step, device=device)
    return (2 * spots + 1) * length // (2 * size)


def mean_colors(owners: Tensor, colors: Tensor, num_queries: int) -> Tensor:
    """Compute the colours of masks.

    Args:
        owners (Tensor): Owners of the pixels, shape (B, F, h, w).
        colors (Tensor): Colours of the pixels, shape (B, F * h * w, 3).
        num_queries (int): Q.

    Returns:
        Tensor: Shares of the channels, shape (B, Q, 3); 0 without pixels.
    """
    sums = sum_by_owner(owners.flatten(1), colors, num_queries)
    return sums / sums.sum(-1, keepdim=True).clamp(min=1e-6)


def color_similarity(colors: Tensor, others: Tensor) -> Tensor:
    """Compare the colours of masks.

    Args:
        colors (Tensor): Shares of the channels, shape (n, 3).
        others (Tensor): The same, shape (m, 3).

    Returns:
        Tensor: Similarity, shape (n, m), in (0, 1]: 1 for equal colours, 0.37
        if two channels differ by 0.02.
    """
    # With the channels first, this is faster than cdist.
    first, second = (x.T.contiguous() for x in (colors, others))
    differences = (first[:, :, None] - second[:, None]).abs_().sum(0)
    return differences.div_(-_SCALE).exp_()
