# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Association of queries and segments of successive clips."""

from .queries import (
    QueryAssociation,
    align_queries,
    check_finite,
    iter_clips,
    match_queries,
    split_video,
)
from .segment_linker import SegmentLinker

__all__ = [
    'QueryAssociation',
    'SegmentLinker',
    'align_queries',
    'check_finite',
    'iter_clips',
    'match_queries',
    'split_video',
]
