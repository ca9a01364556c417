# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .association import (
    QueryAssociation,
    align_queries,
    check_finite,
    iter_clips,
    match_queries,
    split_video,
)
from .cross_clip_tracker import CrossClipTracker
from .feature_cache import FeatureCache
from .segment_linker import SegmentLinker

__all__ = [
    'CrossClipTracker', 'FeatureCache', 'QueryAssociation', 'SegmentLinker',
    'align_queries', 'check_finite', 'iter_clips', 'match_queries',
    'split_video'
]
