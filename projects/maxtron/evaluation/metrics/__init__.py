# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .semantic_video_metric import SemanticVideoMetric
from .stable_id_metric import StableIdMetric
from .stq_metric import STQMetric
from .tracking_metric import InstanceTrackingMetric, TrackingMetric
from .vpq_metric import VPQMetric
from .youtube_vis_metric import ClipYouTubeVISMetric

__all__ = [
    'ClipYouTubeVISMetric',
    'InstanceTrackingMetric',
    'STQMetric',
    'SemanticVideoMetric',
    'StableIdMetric',
    'TrackingMetric',
    'VPQMetric',
]
