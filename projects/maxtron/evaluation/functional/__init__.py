# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Metrics of video panoptic and semantic segmentation in plain numpy."""

from .segment_matches import SegmentIoUs, match_segments, segment_ious
from .semantic import (
    VC_WINDOWS,
    SemanticCounter,
    SemanticStats,
    summarize_semantic,
)
from .stable_ids import (
    CROSSING,
    EVENT_KINDS,
    RETURN,
    IdEvent,
    IdStats,
    count_stable_ids,
    find_gaps,
    find_things,
    gap_kind,
    summarize_stable_ids,
)
from .stq import STQStats, count_associations, summarize_stq
from .video_counts import (
    FramePairs,
    Segments,
    VideoCounter,
    VideoCounts,
    count_pairs,
)
from .vpq import WINDOWS, TubeStats, count_tubes, summarize_vpq

__all__ = [
    'CROSSING',
    'EVENT_KINDS',
    'RETURN',
    'VC_WINDOWS',
    'WINDOWS',
    'FramePairs',
    'IdEvent',
    'IdStats',
    'STQStats',
    'Segments',
    'SemanticCounter',
    'SemanticStats',
    'SegmentIoUs',
    'TubeStats',
    'VideoCounter',
    'VideoCounts',
    'count_associations',
    'count_pairs',
    'count_stable_ids',
    'count_tubes',
    'find_gaps',
    'find_things',
    'gap_kind',
    'match_segments',
    'segment_ious',
    'summarize_semantic',
    'summarize_stable_ids',
    'summarize_stq',
    'summarize_vpq',
]
