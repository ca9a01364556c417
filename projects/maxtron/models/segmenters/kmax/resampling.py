# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Resizing of predictions to the resolution of the targets.

Auxiliary outputs are predicted at strides 8 to 32. Their losses are computed
at stride 4. As in the reference, corners are aligned if the width is odd.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...layers import at_least_float32


def resize_frames(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize frames.

    Args:
        x (Tensor): Shape (N, C, h, w).
        size (tuple[int, int]): Height H and width W.

    Returns:
        Tensor: Shape (N, C, H, W); ``x`` itself if it has that size.
    """
    if x.shape[-2:] == size:
        return x
    return F.interpolate(
        x, size, mode='bilinear', align_corners=size[1] % 2 == 1
    )


def take_pixels(
    x: Tensor, pixels: Tensor, size: tuple[int, int, int]
) -> Tensor:
    """Resize clips at some pixels only.

    Args:
        x (Tensor): Clips with shape (B, D, T, h, w).
        pixels (Tensor): Indices into the T * H * W pixels of the resized
            clips, int64, shape (B, K).
        size (tuple[int, int, int]): T, H and W.

    Returns:
        Tensor: Values at the pixels, shape (B, D, K), in float32 or better.
    """
    _, height, width = size
    if x.shape[3:] == (height, width):
        index = pixels[:, None].expand(-1, x.shape[1], -1)
        return at_least_float32(x.flatten(2).gather(2, index))
    # Gradients of corners that pixels share are added in this precision.
    x = at_least_float32(x)
    _, in_height, in_width = x.shape[2:]
    t, pixels = pixels // (height * width), pixels % (height * width)
    align_corners = width % 2 == 1
    ys, y_weights = _neighbours(
        pixels // width, in_height, height, align_corners
    )
    xs, x_weights = _neighbours(
        pixels % width, in_width, width, align_corners
    )  # (B, 2, K)
    rows = (t[:, None] * in_height + ys) * in_width
    index = (rows[:, :, None] + xs[:, None]).flatten(1)  # (B, 4 * K)
    weights = (y_weights[:, :, None] * x_weights[:, None]).flatten(1, 2)
    corners = x.flatten(2).gather(2, index[:, None].expand(-1, x.shape[1], -1))
    corners = corners.unflatten(2, (4, -1))  # (B, D, 4, K)
    return (corners * weights[:, None]).sum(2)


def _neighbours(
    positions: Tensor, in_len: int, out_len: int, align_corners: bool
) -> tuple[Tensor, Tensor]:
    """Find the original neighbours of positions on a resized axis.

    Args:
        positions (Tensor): Indices on the resized axis, shape (B, K).
        in_len (int): Length of the axis.
        out_len (int): Length of the resized axis.
        align_corners (bool): As for :func:`torch.nn.functional.interpolate`.

    Returns:
        tuple[Tensor, Tensor]: The two nearest indices and their weights,
        shape (B, 2, K).
    """
    positions = positions.double()
    if align_corners:
        positions = positions * ((in_len - 1) / max(out_len - 1, 1))
    else:
        positions = ((positions + 0.5) * in_len / out_len - 0.5).clamp(min=0)
    first = positions.long()
    second = (first + 1).clamp(max=in_len - 1)
    weight = (positions - first).float()
    return (
        torch.stack((first, second), 1),
        torch.stack((1 - weight, weight), 1),
    )
