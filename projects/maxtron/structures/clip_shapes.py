# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sizes of the frames of a clip."""

from typing import NamedTuple


class ClipShapes(NamedTuple):
    """Sizes (height, width) of the frames of a clip.

    Attributes:
        input_shape (tuple[int, int]): Padded size, the input of the backbone.
        img_shape (tuple[int, int]): Size before padding.
        ori_shape (tuple[int, int]): Size of the original images.
        num_new (int): Number of frames that earlier clips do not cover; see
            :func:`iter_clips`.
    """

    input_shape: tuple[int, int]
    img_shape: tuple[int, int]
    ori_shape: tuple[int, int]
    num_new: int
