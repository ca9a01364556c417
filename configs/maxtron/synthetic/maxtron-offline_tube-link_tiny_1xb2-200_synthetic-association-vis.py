# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Second stage: trains what tracks across clips, two videos of 4 clips a step.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_tiny.py',
    '../../_base_/datasets/synthetic-association_vis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_maxtron_tiny.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=6)))

train_dataloader = dict(batch_size=2, dataset=dict(clip_len=12))
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
auto_scale_lr = dict(base_batch_size=2)

load_from = (
    'work_dirs/compare_stages/maxtron-nearonline_tube-link_tiny_1xb3-300_'
    'synthetic-association-vis/seed0/iter_300.pth'
)
