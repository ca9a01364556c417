# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .kmax_semantic_head import KMaXSemanticHead
from .maxtron_head import ClipShapes, MaXTronHead
from .maxtron_panoptic_head import MaXTronPanopticHead
from .tube_link_head import TubeLinkHead
from .video_kmax_head import VideoKMaXHead

__all__ = [
    'ClipShapes', 'KMaXSemanticHead', 'MaXTronHead', 'MaXTronPanopticHead',
    'TubeLinkHead', 'VideoKMaXHead'
]
