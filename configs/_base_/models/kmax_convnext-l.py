# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./kmax_r50.py', './convnext_weights.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='ConvNeXt',
        arch='large',
        drop_path_rate=0.6,
        init_cfg=_base_.convnext_l,
    ),
    head=dict(segmenter=dict(in_channels=[192, 384, 768, 1536])),
)
