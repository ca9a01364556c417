# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of YouTube-VIS 2021 with other data.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_swin-l.py',
    '../../_base_/datasets/lv_vis.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

# 3 clips of 5
train_dataloader = dict(dataset=dict(clip_len=15))
model = dict(head=dict(segmenter=dict(num_classes=1196)))

load_from = (
    'work_dirs/maxtron-nearonline_tube-link_swin-l_16xb1-10k_lv-vis/'
    'iter_10000.pth'
)
