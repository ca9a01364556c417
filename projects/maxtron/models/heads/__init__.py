# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .base_maxtron_head import BaseMaXTronHead, ClipShapes
from .kmax_semantic_head import KMaXSemanticHead
from .kmax_tracker_heads import KMaXTrackerHeads
from .maxtron_head import MaXTronHead
from .maxtron_panoptic_head import MaXTronPanopticHead
from .tube_link_head import TubeLinkHead
from .video_kmax_head import VideoKMaXHead

__all__ = [
    'BaseMaXTronHead', 'ClipShapes', 'KMaXSemanticHead', 'KMaXTrackerHeads',
    'MaXTronHead', 'MaXTronPanopticHead', 'TubeLinkHead', 'VideoKMaXHead'
]
