# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Visualizers of tracked masks and panoptic videos."""
from .clip_visualizer import ClipLocalVisualizer
from .mask_drawing import draw_masks, id_colors, to_bitmap
from .panoptic_truth import PanopticTruth

__all__ = [
    'ClipLocalVisualizer', 'PanopticTruth', 'draw_masks', 'id_colors',
    'to_bitmap'
]
