# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_video-kmax_second-stage_tiny.py'

# The neck learns slowly as in the first stage, the tracker at the rate of the
# offline model.
optim_wrapper = dict(
    optimizer=dict(lr=5e-4),
    paramwise_cfg=dict(
        custom_keys=dict(neck=dict(lr_mult=0.25), tracker=dict(lr_mult=4.0))
    ),
)
