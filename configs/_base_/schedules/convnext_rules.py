# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference. As is usual, norms, biases, scales and queries have no
# weight decay.
convnext_rules = dict(
    _delete_=True,
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    custom_keys=dict(
        backbone=dict(lr_mult=0.1),
        gamma=dict(decay_mult=0.0),
        beta=dict(decay_mult=0.0),
        in_proj_bias=dict(decay_mult=0.0),
        query_embed=dict(decay_mult=0.0),
        query_feat=dict(decay_mult=0.0),
        level_embed=dict(decay_mult=0.0),
    ),
)
