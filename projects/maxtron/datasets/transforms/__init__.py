# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .canvas import PadToCanvas, ScaleJitter, SSDColorJitter
from .clip import ClipCrop, RejectEmpty
from .clip_sampling import ClipSampler, RandomClipSampler
from .copy_paste import VideoCopyPaste
from .lazy_video import PackLazyVideo, VideoFrames
from .loading import LoadVideoFrame, TracksToPanopticMap
from .panoptic_clip import LoadPanopticMap, PackPanopticClip

__all__ = [
    'ClipCrop',
    'ClipSampler',
    'LoadPanopticMap',
    'LoadVideoFrame',
    'PackLazyVideo',
    'PackPanopticClip',
    'PadToCanvas',
    'RandomClipSampler',
    'RejectEmpty',
    'SSDColorJitter',
    'ScaleJitter',
    'TracksToPanopticMap',
    'VideoCopyPaste',
    'VideoFrames',
]
