# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MaXTron heads: predictions of clips to results of a video."""

from .base_maxtron_head import BaseMaXTronHead
from .maxtron_head import MaXTronHead
from .maxtron_panoptic_head import MaXTronPanopticHead
from .modes import MODES, SEGMENT_DECISIONS, check_clip_len, translate_mode
from .video_state import OfflineState, VideoState

__all__ = [
    'BaseMaXTronHead',
    'MODES',
    'MaXTronHead',
    'MaXTronPanopticHead',
    'OfflineState',
    'SEGMENT_DECISIONS',
    'VideoState',
    'check_clip_len',
    'translate_mode',
]
