# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Visualizers of tracked masks and panoptic videos."""

from ..structures import to_bitmap
from .clip_visualizer import ClipLocalVisualizer
from .image_root import find_image_root
from .mask_drawing import draw_masks, id_colors
from .panoptic_ground_truth import PanopticGroundTruth
from .trajectory_maps import (
    draw_trajectory,
    record_calls,
    resize_maps,
    to_cell,
    tracking_layers,
    trajectory_maps,
)

__all__ = [
    'ClipLocalVisualizer',
    'PanopticGroundTruth',
    'draw_masks',
    'draw_trajectory',
    'find_image_root',
    'id_colors',
    'record_calls',
    'resize_maps',
    'to_bitmap',
    'to_cell',
    'tracking_layers',
    'trajectory_maps',
]
