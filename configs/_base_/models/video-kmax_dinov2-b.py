# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./video-kmax_r50.py', './vit_backbones.py']

model = dict(
    # of ImageNet, as the transformers expect
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]
    ),
    backbone=dict(_delete_=True, **_base_.dinov2_b),
    head=dict(segmenter=dict(in_channels=[256, 256, 256, 256])),
)

# There is no such kMaX-DeepLab for COCO.
load_from = None
