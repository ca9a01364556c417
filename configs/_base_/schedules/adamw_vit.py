# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference. LVMT trains on DINOv2 and DINOv3 with this learning
# rate. Everything starts at random behind the backbone, and learns at one
# rate. layer_decay is for a backbone that is fine-tuned.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='SeparateMultOptimWrapperConstructor',
    optimizer=dict(
        type='AdamW',
        lr=1e-4,
        weight_decay=0.05,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    ),
    paramwise_cfg=dict(
        layer_decay=0.8,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={
            key: dict(decay_mult=0.0)
            for key in [
                'gamma',
                'in_proj_bias',
                'query_embed',
                'query_feat',
                'level_embed',
                'cluster_centers',
                '_rpe',
                # of the transformer
                'lambda1',
                '_token',
                'position_embeddings',
            ]
        },
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)

# LVMT: 8 GPUs x 1 clip
auto_scale_lr = dict(enable=False, base_batch_size=8)
