# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_swin-s.py'

model = dict(
    backbone=dict(
        pretrain_img_size=384,
        embed_dims=128,
        num_heads=[4, 8, 16, 32],
        window_size=12,
    ),
    head=dict(segmenter=dict(in_channels=[128, 256, 512, 1024])),
)
