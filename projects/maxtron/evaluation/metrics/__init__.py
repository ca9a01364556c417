# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .youtube_vis_metric import ClipYouTubeVISMetric

__all__ = ['ClipYouTubeVISMetric']
