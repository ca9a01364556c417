# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# From scratch: everything learns at one rate. On the CPU there is no AMP.
_base_ = './adamw_kmax.py'

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(lr=2e-3),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=1.0),
            # the scale of the mask logits, which starts at 0.1, has to grow
            # by two orders of magnitude in few steps
            mask_norm=dict(lr_mult=20.0),
        )
    ),
)
auto_scale_lr = dict(base_batch_size=8)
