# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_swin-l.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

# The reference has 5 frames in its dataset and 6 in its head.
clip_len = 6
train_dataloader = dict(dataset=dict(clip_len=clip_len))
model = dict(head=dict(test_cfg=dict(clip_len=clip_len)))
