# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Trains from scratch on two CPU cores.
_base_ = [
    '../../_base_/models/maxtron-nearonline_video-kmax_tiny.py',
    '../../_base_/datasets/synthetic_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/default_runtime.py',
]

# The post-norm layers of the neck diverge at the rate of the other layers.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=0.25)))
)
