# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Iterators of the frames of files, folders, cameras and arrays.

Every source decodes one frame at a time and keeps none, so a video of any
length takes the memory of one frame.
"""

from .arrays import ArraySource
from .base import FrameSource, VideoError
from .camera import CameraSource
from .folder import FolderSource
from .opening import open_frame_source
from .video_file import VideoFileSource

__all__ = [
    'ArraySource',
    'CameraSource',
    'FolderSource',
    'FrameSource',
    'VideoError',
    'VideoFileSource',
    'open_frame_source',
]
