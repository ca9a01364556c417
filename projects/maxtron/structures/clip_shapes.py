# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Sizes of the frames of a clip."""

from typing import NamedTuple


class ClipShapes(NamedTuple):
    """Sizes (height, width) of the frames of a clip.

    Attributes:
        input_shape (tuple[int, int]): As the backbone sees them, padded.
        img_shape (tuple[int, int]): Before padding.
        ori_shape (tuple[int, int]): Of the original images.
        num_new (int): How many of the frames the clips before have not
            covered; see :func:`iter_clips`.
    """

    input_shape: tuple[int, int]
    img_shape: tuple[int, int]
    ori_shape: tuple[int, int]
    num_new: int
