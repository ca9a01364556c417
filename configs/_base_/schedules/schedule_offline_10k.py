# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './schedule_10k.py'

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        type='MultiStepLR', milestones=[2500, 7500], gamma=0.1, by_epoch=False
    ),
]
