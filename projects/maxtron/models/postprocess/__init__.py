# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Post-processing of mask logits to instances and panoptic maps."""

from .instance_topk import (
    FrameMasks,
    encode_clip,
    frame_instances,
    select_instances,
    softmax_to_sigmoid_logits,
    top_pairs,
)
from .mask_resizing import resize_mask_logits
from .maskformer_merge import MaskFormerMerger
from .panoptic_merge import PanopticMerger, PanopticResult, PanopticSegment
from .sigmoid_merge import SigmoidPanopticMerger

__all__ = [
    'FrameMasks',
    'MaskFormerMerger',
    'PanopticMerger',
    'PanopticResult',
    'PanopticSegment',
    'SigmoidPanopticMerger',
    'softmax_to_sigmoid_logits',
    'encode_clip',
    'frame_instances',
    'resize_mask_logits',
    'select_instances',
    'top_pairs',
]
