# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Trains from scratch on a CPU core, on 1,200 videos (make_synthetic.py
# --num-train 1200); demo/maxtron_tiny.pth is made with it.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_tiny.py',
    '../../_base_/models/association_robust.py',
    '../../_base_/datasets/synthetic-association_vis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_maxtron_tiny.py',
    '../../_base_/demo_runtime.py',
]

model = dict(
    head=dict(segmenter=dict(num_classes=6), association=_base_.association)
)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=201, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=200,
        end=8000,
        eta_min=1e-5,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=8000, val_interval=8000)
auto_scale_lr = dict(base_batch_size=3)
