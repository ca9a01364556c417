# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = '../custom_dataset/instances.py'

custom_imports = dict(
    imports=['projects.maxtron', 'docs.examples.toy_segmenter']
)
channels = [24, 48, 96, 192]  # of the backbone
model = dict(
    neck=dict(  # within-clip tracking
        type='AxialTrajectoryNeck',
        in_channels=channels,
        feat_channels=64,
        num_heads=4,
        feedforward_channels=128,
        norm_cfg=dict(type='GN', num_groups=8),
        temporal_cfg=dict(num_layers=2, feedforward_channels=128),
    ),
    head=dict(
        segmenter=dict(
            _delete_=True,  # nothing of the segmenter of the base
            type='ToySegmenter',
            num_classes=2,
            in_channels=channels,
        )
    ),
)
load_from = None
train_cfg = dict(max_iters=150, val_interval=150)
