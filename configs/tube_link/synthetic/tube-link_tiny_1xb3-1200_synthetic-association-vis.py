# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Common start of the trainings of tools/misc/compare_stages.py.
_base_ = [
    '../../_base_/models/tube-link_tiny.py',
    '../../_base_/datasets/synthetic-association_vis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_tube-link_r50.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=6)))

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=101, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=100,
        end=1200,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=1200, val_interval=600)
auto_scale_lr = dict(base_batch_size=3)
