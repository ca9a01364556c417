# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The first stage continued, for tools/misc/compare_stages.py.
_base_ = (
    './maxtron-nearonline_tube-link_tiny_1xb3-300_synthetic-association-vis.py'
)

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=21, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=20,
        end=200,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=200, val_interval=200)

load_from = (
    'work_dirs/compare_stages/maxtron-nearonline_tube-link_tiny_1xb3-300_'
    'synthetic-association-vis/seed0/iter_300.pth'
)
