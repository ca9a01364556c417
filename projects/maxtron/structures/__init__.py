# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Data that flows between the parts: predictions, masks, panoptic maps."""

from .clip_prediction import ClipPrediction
from .clip_shapes import ClipShapes
from .id_maps import (
    FIRST_THING_VALUE,
    UNLABELLED,
    check_num_classes,
    index_map,
    raw_labels,
    read_id_map,
    read_raw_segments,
    rgb_to_ids,
    runs,
    thing_flags,
)
from .masks import MaskLike, read_polygons, to_bitmap, to_rle
from .panoptic_map import INSTANCE_OFFSET, IndexMap, PanopticMap, thing_id
from .segment_colors import SegmentColors, write_id_map

__all__ = [
    'ClipPrediction',
    'ClipShapes',
    'FIRST_THING_VALUE',
    'INSTANCE_OFFSET',
    'IndexMap',
    'MaskLike',
    'PanopticMap',
    'SegmentColors',
    'UNLABELLED',
    'check_num_classes',
    'index_map',
    'raw_labels',
    'read_id_map',
    'read_polygons',
    'read_raw_segments',
    'rgb_to_ids',
    'runs',
    'thing_flags',
    'thing_id',
    'to_bitmap',
    'to_rle',
    'write_id_map',
]
