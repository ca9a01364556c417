# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Post-processing: mask logits to instances and panoptic maps."""

from .instance_topk import (
    FrameMasks,
    binary_logits,
    encode_frame,
    frame_instances,
    resize_mask_logits,
    top_pairs,
)
from .panoptic_merge import PanopticMerger, PanopticResult, PanopticSegment
from .single_mask_merge import SingleMaskMerger

__all__ = [
    'FrameMasks',
    'PanopticMerger',
    'PanopticResult',
    'PanopticSegment',
    'SingleMaskMerger',
    'binary_logits',
    'encode_frame',
    'frame_instances',
    'resize_mask_logits',
    'top_pairs',
]
