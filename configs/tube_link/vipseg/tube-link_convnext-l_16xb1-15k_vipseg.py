# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of YouTube-VIS with other data.
_base_ = [
    '../../_base_/models/tube-link_convnext-l.py',
    '../../_base_/datasets/vipseg_tube-link.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_tube-link_convnext-l.py',
    '../../_base_/default_runtime.py',
]

model = _base_.panoptic
train_cfg = dict(val_interval=5000)
