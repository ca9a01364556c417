# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not decayed are norms, biases, tables of relative positions (of Swin too),
# the queries and the layer scale of ConvNeXt.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='SeparateMultOptimWrapperConstructor',
    optimizer=dict(
        type='AdamW',
        lr=5e-4,
        weight_decay=0.05,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    ),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            gamma=dict(decay_mult=0.0),
            cluster_centers=dict(decay_mult=0.0),
            _rpe=dict(decay_mult=0.0),
            relative_position_bias_table=dict(decay_mult=0.0),
        ),
    ),
)

# 8 GPUs x 8 images
auto_scale_lr = dict(enable=False, base_batch_size=64)
