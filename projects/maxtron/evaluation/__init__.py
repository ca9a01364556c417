# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Metrics of tracked video segmentation."""

from .metrics import (
    ClipYouTubeVISMetric,
    SemanticVideoMetric,
    STQMetric,
    VPQMetric,
)

__all__ = [
    'ClipYouTubeVISMetric',
    'STQMetric',
    'SemanticVideoMetric',
    'VPQMetric',
]
