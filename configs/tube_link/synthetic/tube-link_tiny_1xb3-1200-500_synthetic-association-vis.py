# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The same training continued, for tools/misc/compare_stages.py.
_base_ = './tube-link_tiny_1xb3-1200_synthetic-association-vis.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=51, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=50,
        end=500,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=500, val_interval=500)

load_from = (
    'work_dirs/compare_stages/tube-link_tiny_1xb3-1200_'
    'synthetic-association-vis/seed0/iter_1200.pth'
)
