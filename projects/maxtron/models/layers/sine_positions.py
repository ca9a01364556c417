# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from collections.abc import Sequence

import torch
from mmdet.models.layers import SinePositionalEncoding
from torch import Tensor


def sine_positions(
    encoding: SinePositionalEncoding,
    shape: Sequence[int],
    device: torch.device,
) -> Tensor:
    """Encode the positions in an image or a clip without padding.

    The values are those of MMDetection's modules. Each axis is encoded by
    itself, so that the sines of a position are computed once, not once per
    pixel.

    Args:
        encoding (SinePositionalEncoding): Settings, 2D or 3D.
        shape (Sequence[int]): Size (h, w) or (T, h, w).
        device (torch.device): Device of the result.

    Returns:
        Tensor: Shape (*shape, C) with C = 2 * ``num_feats``, float32.
    """
    *frames, height, width = shape
    rows = _encode_axis(encoding, height, encoding.num_feats, device)
    columns = _encode_axis(encoding, width, encoding.num_feats, device)
    positions = torch.cat(
        (
            rows[:, None].expand(-1, width, -1),
            columns[None].expand(height, -1, -1),
        ),
        -1,
    )  # (h, w, C)
    for num_frames in frames:
        times = _encode_axis(
            encoding, num_frames, 2 * encoding.num_feats, device
        )
        positions = positions + times[:, None, None]  # (T, h, w, C)
    return positions


def _encode_axis(
    encoding: SinePositionalEncoding,
    length: int,
    num_feats: int,
    device: torch.device,
) -> Tensor:
    """Encode the positions on an axis, shape (length, num_feats)."""
    positions = torch.arange(1, length + 1, dtype=torch.float32, device=device)
    if encoding.normalize:
        positions = (
            (positions + encoding.offset)
            / (positions[-1:] + encoding.eps)
            * encoding.scale
        )
    feats = torch.arange(num_feats, dtype=torch.float32, device=device)
    periods = encoding.temperature ** (2 * (feats // 2) / num_feats)
    angles = positions[:, None] / periods
    return torch.stack(
        (angles[:, 0::2].sin(), angles[:, 1::2].cos()), 2
    ).flatten(1)
