# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Inference on the user's videos."""

from .building import is_panoptic_config
from .detections import sample_to_detections
from .frame_source import (
    ArraySource,
    CameraSource,
    FolderSource,
    FrameSource,
    LiveSource,
    StreamSource,
    VideoError,
    VideoFileSource,
    open_frame_source,
)
from .inferencer import MaXTronInferencer
from .model_source import find_model
from .progress import VideoProgress
from .result_writers import (
    IdMapWriter,
    PanopticWriter,
    VideoWriter,
    YouTubeVISWriter,
    check_video_path,
)
from .video_outputs import OutputOptions, VideoOutputs, process_video
from .video_results import (
    InstanceResults,
    PanopticResults,
    VideoResults,
    check_panoptic_outputs,
    open_results,
)

__all__ = [
    'ArraySource',
    'CameraSource',
    'FolderSource',
    'FrameSource',
    'IdMapWriter',
    'InstanceResults',
    'LiveSource',
    'MaXTronInferencer',
    'OutputOptions',
    'PanopticResults',
    'PanopticWriter',
    'StreamSource',
    'VideoError',
    'VideoFileSource',
    'VideoOutputs',
    'VideoProgress',
    'VideoResults',
    'VideoWriter',
    'YouTubeVISWriter',
    'check_panoptic_outputs',
    'check_video_path',
    'find_model',
    'is_panoptic_config',
    'open_frame_source',
    'open_results',
    'process_video',
    'sample_to_detections',
]
