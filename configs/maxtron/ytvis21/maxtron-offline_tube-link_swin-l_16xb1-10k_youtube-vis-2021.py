# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_swin-l.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

# Released settings; the paper has 5 clips of 4 frames.
clip_len = 6
num_clips = 4
train_dataloader = dict(dataset=dict(clip_len=num_clips * clip_len))
model = dict(head=dict(test_cfg=dict(clip_len=clip_len)))

load_from = (
    'work_dirs/maxtron-nearonline_tube-link_swin-l_16xb1-10k_youtube-vis-2021/'
    'iter_10000.pth'
)
