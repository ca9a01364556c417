# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './maxtron-nearonline_tube-link_tiny.py'

model = dict(
    head=dict(
        tracker=dict(
            type='CrossClipTracker',
            embed_dims=64,
            num_layers=2,
            num_heads=4,
            aspp=dict(rates=(1, 2, 3)),
        )
    )
)
