# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Iterators of the frames of files, folders, cameras, streams and arrays.

Every source decodes one frame at a time and keeps none, so a video of any
length takes the memory of one frame.
"""

from .arrays import ArraySource
from .base import FrameSource, VideoError
from .camera import CameraSource
from .folder import FolderSource
from .live import LiveSource
from .opening import open_frame_source
from .stream import StreamSource
from .video_file import VideoFileSource

__all__ = [
    'ArraySource',
    'CameraSource',
    'FolderSource',
    'FrameSource',
    'LiveSource',
    'StreamSource',
    'VideoError',
    'VideoFileSource',
    'open_frame_source',
]
