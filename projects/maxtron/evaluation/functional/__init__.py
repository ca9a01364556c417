# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Metrics of video panoptic segmentation in plain numpy."""

from .stq import STQStats, count_associations, summarize_stq
from .video_counts import FramePairs, VideoCounter, VideoCounts, count_pairs
from .vpq import WINDOWS, TubeStats, count_tubes, summarize_vpq

__all__ = [
    'WINDOWS',
    'FramePairs',
    'STQStats',
    'TubeStats',
    'VideoCounter',
    'VideoCounts',
    'count_associations',
    'count_pairs',
    'count_tubes',
    'summarize_stq',
    'summarize_vpq',
]
