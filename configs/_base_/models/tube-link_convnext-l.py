# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for Swin-L, except for the initial weights: the
# Mask2Former of configs/tube_link/coco/.
_base_ = './tube-link_r50.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='ConvNeXt',
        arch='large',
        drop_path_rate=0.3,
        extra_padding=False,
    ),  # which is for sides of 32 k + 1
    head=dict(segmenter=dict(in_channels=[192, 384, 768, 1536])),
)

load_from = 'checkpoints/mask2former_convnext-l_coco-panoptic.pth'
