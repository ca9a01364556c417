# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_kmax.py'

# What predicts classes and masks, in every decoder layer and at the end,
# learns at a tenth of the rate, though classes start at random, as in the
# reference. Its level encodings were meant to learn at twice the rate but do
# not, and so it is here.
optim_wrapper = dict(
    optimizer=dict(lr=5e-5),
    paramwise_cfg=dict(
        custom_keys=dict(
            temporal_layers=dict(lr_mult=2.0),
            cls_proj=dict(lr_mult=0.1),
            mask_proj=dict(lr_mult=0.1),
            cls_embed=dict(lr_mult=0.1),
            mask_embed=dict(lr_mult=0.1),
            mask_norm=dict(lr_mult=0.1),
        )
    ),
)

# 8 GPUs x 4 clips
auto_scale_lr = dict(base_batch_size=32)
