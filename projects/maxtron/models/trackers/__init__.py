# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .association import (
                          QueryAssociation,
                          iter_clips,
                          match_queries,
                          split_video,
)
from .segment_linker import SegmentLinker

__all__ = [
    'QueryAssociation', 'SegmentLinker', 'iter_clips', 'match_queries',
    'split_video'
]
