# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_video-kmax_tiny.py'

# mask_norm has grown in the first stage.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(mask_norm=dict(lr_mult=1.0)))
)
