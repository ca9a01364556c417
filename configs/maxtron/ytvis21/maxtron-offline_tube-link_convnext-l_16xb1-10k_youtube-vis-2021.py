# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for Swin-L.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_convnext-l.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_tube-link_convnext-l.py',
    '../../_base_/default_runtime.py',
]

# 4 clips
train_dataloader = dict(dataset=dict(clip_len=24))
model = dict(head=dict(test_cfg=dict(clip_len=6)))

load_from = (
    'work_dirs/maxtron-nearonline_'
    'tube-link_convnext-l_16xb1-10k_youtube-vis-2021/iter_10000.pth'
)
