# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './video-kmax_tiny.py'

model = dict(
    neck=dict(
        type='AxialTrajectoryNeck',
        in_channels=_base_.model.head.segmenter.in_channels,
        num_blocks=2,
        num_spatial_layers=1,
        feat_channels=64,
        num_heads=4,
        feedforward_channels=128,
        norm_cfg=dict(type='GN', num_groups=8),
        temporal_cfg=dict(
            num_layers=2,
            attn_type='axial_trajectory',
            feedforward_channels=128,
        ),
    )
)
