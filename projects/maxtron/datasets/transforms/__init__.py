# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .clip import ClipCrop, ClipSampler, RejectEmpty
from .lazy_video import PackLazyVideo, VideoFrames
from .loading import LoadVideoFrame

__all__ = [
    'ClipCrop', 'ClipSampler', 'LoadVideoFrame', 'PackLazyVideo',
    'RejectEmpty', 'VideoFrames'
]
