# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hooks of the MMEngine runner."""

from .broadcast_buffers_hook import BroadcastBuffersHook
from .clip_visualization_hook import ClipVisualizationHook
from .initial_weights_hook import InitialWeightsHook
from .master_logger_hook import MasterLoggerHook
from .rng_state_hook import RNGStateHook
from .thing_labels_hook import ThingLabelsHook
from .video_stats_hook import VideoStatsHook

__all__ = [
    'BroadcastBuffersHook',
    'ClipVisualizationHook',
    'InitialWeightsHook',
    'MasterLoggerHook',
    'RNGStateHook',
    'ThingLabelsHook',
    'VideoStatsHook',
]
