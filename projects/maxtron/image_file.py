# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writing of image files."""

import os
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .utils import atomic_path


def write_image(
    path: str | os.PathLike, image: np.ndarray, options: Sequence[int] = ()
) -> None:
    """Write an image file atomically.

    ``cv2.imwrite`` reports success if the disk is full, and leaves an empty
    file, when the image is smaller than a buffer of the system.

    Args:
        path (str | PathLike): Name of the file; its suffix chooses the
            format, and its folder exists.
        image (np.ndarray): Grey or BGR, uint8 or uint16.
        options (Sequence[int]): See :func:`cv2.imencode`. Defaults to ().

    Raises:
        WriteError: If the file cannot be written.
    """
    _, content = cv2.imencode(
        osp.splitext(path)[1], np.ascontiguousarray(image), list(options)
    )
    with atomic_path(path) as part:
        Path(part).write_bytes(content.tobytes())
