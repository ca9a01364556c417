# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Inference on videos of the user's own."""

from .frame_source import (
    ArraySource,
    CameraSource,
    FolderSource,
    FrameSource,
    VideoError,
    VideoFileSource,
    open_frame_source,
)
from .inferencer import MaXTronInferencer
from .result_writers import (
    IdMapWriter,
    PanopticWriter,
    VideoWriter,
    YouTubeVISWriter,
)
from .video_results import (
    InstanceResults,
    PanopticResults,
    VideoResults,
    open_results,
)

__all__ = [
    'ArraySource',
    'CameraSource',
    'FolderSource',
    'FrameSource',
    'IdMapWriter',
    'InstanceResults',
    'MaXTronInferencer',
    'PanopticResults',
    'PanopticWriter',
    'VideoError',
    'VideoFileSource',
    'VideoResults',
    'VideoWriter',
    'YouTubeVISWriter',
    'open_frame_source',
    'open_results',
]
