# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './schedule_15k.py'

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        type='MultiStepLR', milestones=[2500, 5000], gamma=0.1, by_epoch=False
    ),
]
train_cfg = dict(max_iters=10000, val_interval=10001)
