# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_swin-b.py'

model = dict(
    backbone=dict(embed_dims=192, num_heads=[6, 12, 24, 48]),
    head=dict(
        segmenter=dict(in_channels=[192, 384, 768, 1536], num_queries=200)
    ),
)
