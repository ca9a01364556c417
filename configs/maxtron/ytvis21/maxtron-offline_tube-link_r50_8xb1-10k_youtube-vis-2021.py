# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_r50.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_maxtron_r50.py',
    '../../_base_/default_runtime.py',
]

# Released settings; the paper has 5 clips of 4 frames.
clip_len = 3
num_clips = 3
train_dataloader = dict(dataset=dict(clip_len=num_clips * clip_len))
model = dict(head=dict(test_cfg=dict(clip_len=clip_len)))

# The reference's first stage had clips of 3 frames as well; for such a one
# train it with --cfg-options train_dataloader.dataset.clip_len=3.
load_from = (
    'work_dirs/maxtron-nearonline_tube-link_r50_8xb1-15k_youtube-vis-2021/'
    'iter_15000.pth'
)
