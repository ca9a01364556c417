# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = '../maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg.py'

model = dict(
    neck=dict(temporal_cfg=dict(num_layers=1, attn_type='trajectory'))
)
