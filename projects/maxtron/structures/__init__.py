# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Data that flows between the parts: predictions, masks, panoptic maps."""

from .categories import (
    UNLABELLED,
    category_ids,
    category_metainfo,
    check_classes,
    index_categories,
    metainfo_categories,
    thing_flags,
)
from .clip_prediction import ClipPrediction
from .clip_shapes import ClipShapes
from .id_maps import (
    FIRST_THING_VALUE,
    index_map,
    index_type,
    raw_labels,
    read_raw_segments,
    runs,
    semantic_labels,
)
from .map_files import SegmentColors, read_id_map, rgb_to_ids, write_id_map
from .masks import MaskLike, read_polygons, to_bitmap, to_rle
from .panoptic_map import INSTANCE_OFFSET, IndexMap, PanopticMap, thing_id
from .transfer import copy_to_cpu, copy_to_device
from .video_names import (
    check_distinct_frames,
    frame_name,
    frame_names,
    restore_order,
    video_folder,
)

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
    'category_ids',
    'category_metainfo',
    'check_classes',
    'check_distinct_frames',
    'copy_to_cpu',
    'copy_to_device',
    'frame_name',
    'frame_names',
    'index_categories',
    'index_map',
    'index_type',
    'metainfo_categories',
    'raw_labels',
    'read_id_map',
    'read_polygons',
    'read_raw_segments',
    'restore_order',
    'rgb_to_ids',
    'runs',
    'semantic_labels',
    'thing_flags',
    'thing_id',
    'to_bitmap',
    'to_rle',
    'video_folder',
    'write_id_map',
]
