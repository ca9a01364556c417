# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './video-kmax_dinov2-b.py'

model = dict(
    neck=dict(
        type='AxialTrajectoryNeck',
        in_channels=_base_.model.head.segmenter.in_channels,
        num_blocks=2,
        num_spatial_layers=1,
        temporal_cfg=dict(
            num_layers=2, attn_type='axial_trajectory', drop=0.0
        ),
    )
)
