# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# A custom key also overrides norm_decay_mult: the backbone's BN is decayed.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1e-4,
        weight_decay=0.05,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    ),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            query_embed=dict(decay_mult=0.0),
            query_feat=dict(decay_mult=0.0),
            level_embed=dict(decay_mult=0.0),
        ),
        norm_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)

# 8 GPUs x 1 clip (the reference does not state its number of GPUs).
auto_scale_lr = dict(enable=False, base_batch_size=8)
