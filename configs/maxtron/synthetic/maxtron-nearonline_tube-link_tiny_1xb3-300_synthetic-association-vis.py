# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# First stage of tools/misc/compare_stages.py, from a Tube-Link.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_tiny.py',
    '../../_base_/datasets/synthetic-association_vis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_maxtron_tiny.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=6)))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=51, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=50,
        end=300,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=300, val_interval=300)
auto_scale_lr = dict(base_batch_size=3)

load_from = (
    'work_dirs/compare_stages/tube-link_tiny_1xb3-1200_'
    'synthetic-association-vis/seed0/iter_1200.pth'
)
