# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Choice of the frame source for an input."""

import os
import os.path as osp
from collections.abc import Iterable

import numpy as np

from .arrays import ArraySource
from .base import FrameSource
from .camera import CameraSource
from .folder import FolderSource
from .stream import StreamSource
from .video_file import VideoFileSource


def open_frame_source(
    inputs: str | os.PathLike | int | Iterable[np.ndarray] | FrameSource,
) -> FrameSource:
    """Open a video of any supported kind.

    Args:
        inputs (str | PathLike | int | Iterable[np.ndarray] | FrameSource):
            Path of a video file or of a folder of frames; number of a camera
            (as int or as string of digits); address of a stream, such as
            ``rtsp://host/path``; frames in memory.

    Returns:
        FrameSource: The opened source.

    Raises:
        FileNotFoundError: If the path does not exist.
        VideoError: If the source has no usable frames, see the classes.
        TypeError: If the input is of another type.
    """
    if isinstance(inputs, FrameSource):
        return inputs
    if isinstance(inputs, (str, os.PathLike)):
        path = os.fspath(inputs)
        if osp.isdir(path):
            return FolderSource(path)
        if osp.exists(path):
            return VideoFileSource(path)
        if '://' in path:
            return StreamSource(path)
        if not path.isdecimal():
            raise FileNotFoundError(
                f'There is no file or folder {path}. Give a video file, a '
                'folder of frames, the number of a camera, or the address '
                'of a stream (rtsp://...).'
            )
        return CameraSource(int(path))
    if isinstance(inputs, int):
        return CameraSource(inputs)
    if isinstance(inputs, Iterable):
        return ArraySource(inputs)
    raise TypeError(
        'A video is a path, a camera number or frames, got '
        f'{type(inputs).__name__}.'
    )
