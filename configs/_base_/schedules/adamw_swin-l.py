# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_tube-link_r50.py'

# Nothing that is a norm or a position embedding is decayed. The queries learn
# at a tenth of the rate, as in the reference, though they start at random.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            query_embed=dict(lr_mult=0.1),
            query_feat=dict(lr_mult=0.1),
            level_embed=dict(lr_mult=0.1),
            **{
                key: dict(lr_mult=0.1, decay_mult=0.0)
                for key in [
                    'relative_position_bias_table',
                    'backbone.patch_embed.norm',
                    'backbone.norm',
                    *(
                        f'backbone.stages.{stage}.downsample.norm'
                        for stage in range(3)
                    ),
                    *(
                        f'backbone.stages.{stage}.blocks.{block}.norm'
                        for stage, depth in enumerate([2, 2, 18, 2])
                        for block in range(depth)
                    ),
                ]
            },
        )
    )
)

# 16 GPUs x 1 clip
auto_scale_lr = dict(base_batch_size=16)
