# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Maps of a lower resolution seen at that of the targets.

Auxiliary outputs are predicted at strides 8 to 32, their losses are taken at
stride 4. As in the reference, corners are aligned where the width is odd.
"""
from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .utils import at_least_float32


def resize_frames(x: Tensor, size: Tuple[int, int]) -> Tensor:
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
        x, size, mode='bilinear', align_corners=size[1] % 2 == 1)


def take_pixels(x: Tensor, pixels: Tensor,
                size: Tuple[int, int, int]) -> Tensor:
    """Values of clips at some pixels, without resizing the others.

    Args:
        x (Tensor): Clips with shape (B, D, T, h, w).
        pixels (Tensor): Indices into the T * H * W pixels of the resized
            clips, int64, shape (B, K).
        size (tuple[int, int, int]): T, H and W.

    Returns:
        Tensor: Shape (B, D, K), in float32 or better.
    """
    _, height, width = size
    if x.shape[-2:] == (height, width):
        index = pixels[:, None].expand(-1, x.shape[1], -1)
        return at_least_float32(x.flatten(2).gather(2, index))
    x = at_least_float32(x)
    align_corners = width % 2 == 1
    points = torch.stack((pixels % width, pixels // width % height,
                          pixels // (width * height)), -1)  # (B, K, xyt)
    lengths = points.new_tensor((width, height, size[0]))
    if align_corners:  # -1 and 1 are the centres of the outermost pixels
        points = 2 * points.to(x) / (lengths - 1).clamp(min=1) - 1
    else:  # they are their outer edges
        points = (2 * points + 1).to(x) / lengths - 1
    return F.grid_sample(
        x,
        points[:, None, None],  # (B, 1, 1, K, 3)
        padding_mode='border',
        align_corners=align_corners)[:, :, 0, 0]
