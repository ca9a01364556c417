# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .association import (
                          QueryAssociation,
                          iter_clips,
                          match_queries,
                          split_video,
)

__all__ = ['QueryAssociation', 'iter_clips', 'match_queries', 'split_video']
