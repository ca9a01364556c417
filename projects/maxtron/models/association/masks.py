# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks for association: owners of pixels, their overlap and their motion.

A map of owners has the size of one mask and states all masks of a frame. To
count the pixels of all pairs of masks, each pixel is read once.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_grid(size: tuple[int, int], max_pixels: int) -> tuple[slice, slice]:
    """Choose rows and columns at regular strides.

    This costs less than resizing. The stride of the rows is twice that of the
    columns, because the time is that of reading cache lines.

    Args:
        size (tuple[int, int]): Height and width.
        max_pixels (int): Bound of the number of pixels.

    Returns:
        tuple[slice, slice]: Rows and columns.
    """
    factors = (1.0, 1.0)
    pixels = math.prod(size)
    if pixels > max_pixels:
        factors = (2 * pixels / max_pixels, pixels / max_pixels / 2)
    rows, columns = (math.ceil(factor**0.5) for factor in factors)
    return (
        slice((rows - 1) // 2, None, rows),
        slice((columns - 1) // 2, None, columns),
    )


def find_owners(
    mask_logits: Tensor,
    queries: Tensor,
    may_own: Tensor,
    mask_activation: str,
    grid: tuple[slice, slice],
    frames: tuple[int, ...],
) -> Tensor:
    """Find the query that each pixel belongs to.

    Args:
        mask_logits (Tensor): Mask logits, shape (B, Q, T, h, w).
        queries (Tensor): Queries, best first, shape (B, n), int64.
        may_own (Tensor): Whether they may own pixels, shape (B, n), bool.
        mask_activation (str): 'softmax': a pixel belongs to the query of the
            highest logit. 'sigmoid': to the best of the queries whose logit
            is not negative. Queries that repeat the mask of a better one thus
            own little.
        grid (tuple[slice, slice]): Rows and columns, see :func:`sample_grid`.
        frames (tuple[int, ...]): The F frames.

    Returns:
        Tensor: Owners, shape (B, F, h', w'), int64; -1 for none.
    """
    barred = torch.where(may_own, 0.0, -torch.inf)[..., None, None, None]
    # The sum is a new tensor without gaps between the columns.
    logits = _read_rows(mask_logits, queries, frames, grid).float() + barred
    if mask_activation == 'softmax':
        largest = torch.finfo(logits.dtype).max
        logits -= logits.amax(1, keepdim=True).clamp_(-largest, largest)
    # The best query has the highest rank. This is faster than argmax, and
    # numbers are faster than truth values.
    ranks = torch.arange(
        queries.shape[1], 0, -1, dtype=logits.dtype, device=logits.device
    )
    best = logits.ge_(0).mul_(ranks.view(-1, 1, 1, 1)).amax(1)
    ranked = F.pad(queries.flip(1), (1, 0), value=-1)
    return ranked.gather(1, best.flatten(1).long()).view_as(best)


def _read_rows(
    mask_logits: Tensor,
    queries: Tensor,
    frames: tuple[int, ...],
    grid: tuple[slice, slice],
) -> Tensor:
    """Read rows and columns of masks, see :func:`find_owners`.

    Whole rows are faster to read than single pixels.

    Returns:
        Tensor: Mask logits, shape (B, n, F, h', w').
    """
    sizes, width = mask_logits.shape[:-1], mask_logits.shape[-1]
    rows, columns = grid
    maps = queries * sizes[2:].numel()
    index = maps[..., None, None] + _row_numbers(
        sizes, frames, rows.start, rows.step, queries.device
    )
    return (
        mask_logits.reshape(-1, width)
        .index_select(0, index.flatten())
        .view(*index.shape, width)[..., columns]
    )


@lru_cache(maxsize=8)
def _row_numbers(
    sizes: torch.Size,
    frames: tuple[int, ...],
    start: int,
    step: int,
    device: torch.device,
) -> Tensor:
    """Number sampled rows of the first query of each clip.

    Args:
        sizes (torch.Size): B, Q, T and h.
        frames (tuple[int, ...]): The F frames.
        start (int): First row.
        step (int): Stride of the rows.
        device (torch.device): Device of the result.

    Returns:
        Tensor: Numbers of rows in (B, Q, T, h), shape (B, 1, F, h').
    """
    numbers = torch.arange(sizes.numel(), device=device).view(sizes)
    return numbers[:, :1, frames, start::step]


@lru_cache(maxsize=8)
def pixel_spots(height: int, width: int, device: torch.device) -> Tensor:
    """List row and column of all pixels, shape (height * width, 2), int64."""
    rows, columns = (
        torch.arange(size, device=device) for size in (height, width)
    )
    return torch.cartesian_prod(rows, columns)


@lru_cache(maxsize=8)
def _measured_values(height: int, width: int, device: torch.device) -> Tensor:
    """List 1, row and column of all pixels, (1, height * width, 3)."""
    spots = pixel_spots(height, width, device)
    return F.pad(spots, (1, 0), value=1).float()[None]


def sum_by_owner(owners: Tensor, values: Tensor, num_queries: int) -> Tensor:
    """Add up values of pixels by their owners.

    Args:
        owners (Tensor): Owners, shape (N, P), int64.
        values (Tensor): Values, shape (N, P, K) or (1, P, K).
        num_queries (int): Q.

    Returns:
        Tensor: Sums, shape (N, Q, K).
    """
    sums = values.new_zeros(len(owners), num_queries + 1, values.shape[-1])
    index = (owners + 1)[..., None].expand(-1, -1, values.shape[-1])
    return sums.scatter_add_(1, index, values.expand_as(index))[:, 1:]


def measure_masks(owners: Tensor, num_queries: int) -> tuple[Tensor, Tensor]:
    """Compute areas and centres of the masks of each frame.

    Args:
        owners (Tensor): Owners, shape (B, F, h, w).
        num_queries (int): Q.

    Returns:
        tuple[Tensor, Tensor]: Areas in pixels, shape (B, F, Q), and centres
        (row, column), shape (B, F, Q, 2), float32.
    """
    values = _measured_values(*owners.shape[2:], owners.device)
    sums = sum_by_owner(
        owners.flatten(2).flatten(0, 1), values, num_queries
    ).unflatten(0, owners.shape[:2])
    areas = sums[..., 0]
    return areas, sums[..., 1:] / areas.clamp(min=1).unsqueeze(-1)


def measure_motion(areas: Tensor, centres: Tensor) -> Tensor:
    """Compute how far masks move from the last but one to the last frame.

    Args:
        areas (Tensor): Areas, shape (B, F, Q).
        centres (Tensor): Centres, shape (B, F, Q, 2).

    Returns:
        Tensor: Motion (rows, columns) in whole pixels per frame, shape
        (B, Q, 2), int64; 0 if a mask is empty in one of the frames, or there
        is one frame only.
    """
    before = max(areas.shape[1] - 2, 0)
    motion = (centres[:, -1] - centres[:, before]).round().long()
    return motion * (areas[:, before:] > 0).all(1).unsqueeze(-1)


def owner_ious(
    last: Tensor,
    first: Tensor,
    num_tracks: int,
    num_queries: int,
    motion: Tensor | None = None,
) -> Tensor:
    """Compute the IoU of all pairs of masks.

    Args:
        last (Tensor): Tracks that own the pixels, shape (k, h, w), int64.
        first (Tensor): Queries of the next clip, same shape.
        num_tracks (int): n.
        num_queries (int): m.
        motion (Tensor, optional): Rows and columns by which the masks of the
            tracks are shifted first, shape (n, 2), int64. What leaves the
            frame is lost. Defaults to None.

    Returns:
        Tensor: IoU, shape (n, m), float32; 0 if both are empty.
    """
    # The number 0 is no owner; shape (k, P).
    tracks, queries = last.flatten(1) + 1, first.flatten(1) + 1
    hit = queries
    if motion is not None:
        height, width = last.shape[1:]
        shifts = F.pad(motion, (0, 0, 1, 0))
        spots = pixel_spots(height, width, last.device) + shifts[tracks]
        rows, columns = spots.unbind(-1)  # (k, P)
        near = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        tracks = tracks * ((near[0] == rows) & (near[1] == columns))
        hit = queries.gather(1, near[0] * width + near[1])
    ones = torch.ones(tracks.numel(), device=last.device)
    shape = (num_tracks + 1, num_queries + 1)
    shared = ones.new_zeros(math.prod(shape)).index_add_(
        0, (tracks * shape[1] + hit).flatten(), ones
    )
    shared = shared.view(shape)
    areas = ones.new_zeros(shape[1]).index_add_(0, queries.flatten(), ones)
    union = shared.sum(1, keepdim=True) + areas - shared
    return (shared / union.clamp(min=1))[1:, 1:]
