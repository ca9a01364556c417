# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_tube-link_r50.py'

# The reference decays the LayerNorms of these layers too, for ResNet-50 only.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(temporal_layers=dict(decay_mult=1.0)))
)
