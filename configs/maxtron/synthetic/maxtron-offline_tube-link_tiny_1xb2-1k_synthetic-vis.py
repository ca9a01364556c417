# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Second stage: trains what tracks across clips, two videos of 3 clips a step.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_tiny.py',
    '../../_base_/datasets/synthetic_vis.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_maxtron_tiny.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=6)))

train_dataloader = dict(batch_size=2, dataset=dict(clip_len=9))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=51, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=50,
        end=1000,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=1000, val_interval=500)
auto_scale_lr = dict(base_batch_size=2)

load_from = (
    'work_dirs/maxtron-nearonline_tube-link_tiny_2xb3-5k_synthetic-vis/'
    'iter_5000.pth'
)
