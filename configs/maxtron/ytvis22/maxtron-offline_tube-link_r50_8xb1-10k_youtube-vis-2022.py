# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_r50.py',
    '../../_base_/datasets/youtube_vis_2022.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_maxtron_r50.py',
    '../../_base_/default_runtime.py',
]

# Released settings; the paper has 5 clips of 4 frames.
clip_len = 4
num_clips = 4
train_dataloader = dict(dataset=dict(clip_len=num_clips * clip_len))
model = dict(head=dict(test_cfg=dict(clip_len=clip_len)))

# As in the reference, the first stage is that of YouTube-VIS 2021, whose
# training videos are the same. That of 2022 has clips of 4 frames, too.
load_from = (
    'work_dirs/maxtron-nearonline_tube-link_r50_8xb1-15k_youtube-vis-2021/'
    'iter_15000.pth'
)
