# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# From scratch: everything learns at one rate.
_base_ = './adamw_maxtron_r50.py'

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),
)
