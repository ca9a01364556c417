# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./adamw_tube-link_r50.py', './convnext_rules.py']

optim_wrapper = dict(
    constructor='SeparateMultOptimWrapperConstructor',
    paramwise_cfg=_base_.convnext_rules,
)

# 16 GPUs x 1 clip
auto_scale_lr = dict(base_batch_size=16)
