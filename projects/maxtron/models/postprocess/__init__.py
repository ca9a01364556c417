# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .instance_topk import (
                            FrameMasks,
                            encode_frame,
                            frame_instances,
                            resize_mask_logits,
                            top_pairs,
)

__all__ = [
    'FrameMasks', 'encode_frame', 'frame_instances', 'resize_mask_logits',
    'top_pairs'
]
