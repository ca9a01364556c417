# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Visualizers of tracked masks."""
from .clip_visualizer import ClipLocalVisualizer
from .mask_drawing import draw_masks, id_colors, to_bitmap

__all__ = ['ClipLocalVisualizer', 'draw_masks', 'id_colors', 'to_bitmap']
