# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cross-clip tracking: attention over clip queries (Sec. 3.3 of the paper)."""

from .feature_cache import FeatureCache
from .temporal_aspp import TemporalASPP
from .tracker import CrossClipTracker

__all__ = ['CrossClipTracker', 'FeatureCache', 'TemporalASPP']
