# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Turns a near-online model with Tube-Link into an offline model.
tracker = dict(
    type='CrossClipTracker',
    num_layers=4,  # N_c
    attn_drop=0.1,
    aspp=dict(rates=(1, 2, 3), drop=0.1),
    cls_weight_std=None,
)
