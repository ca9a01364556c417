# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Trains from scratch on two CPU cores.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_tiny.py',
    '../../_base_/datasets/synthetic_vis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_maxtron_tiny.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=6)))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=201, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=200,
        end=5000,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=5000, val_interval=1000)
auto_scale_lr = dict(base_batch_size=6)
