# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video datasets and their transforms."""

from . import transforms
from .cityscapes_vps import CityscapesVPSDataset
from .clip_video_dataset import ClipVideoDataset
from .coco_panoptic_clip import CocoPanopticClipDataset
from .kitti_step import KITTISTEPDataset
from .lv_vis import LVVISDataset
from .ovis import OVISDataset
from .synthetic import SyntheticVISDataset, SyntheticVPSDataset
from .video_wrappers import (
    VideoClassBalancedDataset,
    VideoConcatDataset,
    VideoRepeatDataset,
)
from .vipseg import VIPSegDataset
from .vspw import VSPWDataset
from .youtube_vis import YouTubeVISClipDataset

__all__ = [
    'CityscapesVPSDataset',
    'ClipVideoDataset',
    'CocoPanopticClipDataset',
    'KITTISTEPDataset',
    'LVVISDataset',
    'OVISDataset',
    'SyntheticVISDataset',
    'SyntheticVPSDataset',
    'VIPSegDataset',
    'VSPWDataset',
    'VideoClassBalancedDataset',
    'VideoConcatDataset',
    'VideoRepeatDataset',
    'YouTubeVISClipDataset',
    'transforms',
]
