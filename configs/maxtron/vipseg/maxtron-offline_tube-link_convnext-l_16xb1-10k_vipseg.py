# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of YouTube-VIS with other data.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_convnext-l.py',
    '../../_base_/datasets/vipseg_tube-link.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_tube-link_convnext-l.py',
    '../../_base_/default_runtime.py',
]

model = _base_.panoptic
train_cfg = dict(val_interval=5000)
# 6 clips of 2
train_dataloader = dict(dataset=dict(clip_len=12))

load_from = (
    'work_dirs/maxtron-nearonline_tube-link_convnext-l_16xb1-15k_vipseg/'
    'iter_15000.pth'
)
