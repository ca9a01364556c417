# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./tube-link_r50.py', './vit_backbones.py']

model = dict(
    backbone=dict(_delete_=True, **_base_.dinov2_b),
    head=dict(segmenter=dict(in_channels=[256, 256, 256, 256])),
)

# There is no such Mask2Former for COCO.
load_from = None
