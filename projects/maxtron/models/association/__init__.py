# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association of queries and segments of successive clips."""

from .alignment import align_queries, match_queries
from .clips import iter_clips, split_video
from .cues import ClipCues
from .memory import TrackMemory
from .queries import QueryAssociation, check_finite
from .segment_linker import SegmentLinker

__all__ = [
    'ClipCues',
    'QueryAssociation',
    'SegmentLinker',
    'TrackMemory',
    'align_queries',
    'check_finite',
    'iter_clips',
    'match_queries',
    'split_video',
]
