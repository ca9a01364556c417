# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = '../maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg.py'

model = dict(
    neck=dict(
        num_blocks=1, num_spatial_layers=2, temporal_cfg=dict(num_layers=4)
    )
)
