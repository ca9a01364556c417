# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video datasets and the transforms they need."""

from . import transforms
from .clip_video_dataset import ClipVideoDataset
from .ovis import OVISDataset
from .synthetic_vis import SyntheticVISDataset
from .youtube_vis import YouTubeVISClipDataset

__all__ = [
    'ClipVideoDataset', 'OVISDataset', 'SyntheticVISDataset',
    'YouTubeVISClipDataset', 'transforms'
]
