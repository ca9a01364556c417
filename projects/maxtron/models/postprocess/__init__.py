# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .instance_topk import (
                            FrameMasks,
                            binary_logits,
                            encode_frame,
                            frame_instances,
                            resize_mask_logits,
                            top_pairs,
)
from .panoptic_map import INSTANCE_OFFSET, PanopticMap, thing_id
from .panoptic_merge import PanopticMerger, PanopticResult, PanopticSegment
from .single_mask_merge import SingleMaskMerger

__all__ = [
    'INSTANCE_OFFSET', 'FrameMasks', 'PanopticMap', 'PanopticMerger',
    'PanopticResult', 'PanopticSegment', 'SingleMaskMerger', 'binary_logits',
    'encode_frame', 'frame_instances', 'resize_mask_logits', 'thing_id',
    'top_pairs'
]
