# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_r50.py',
    '../../_base_/datasets/youtube_vis_2022.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_maxtron_r50.py',
    '../../_base_/default_runtime.py',
]

# The reference has 5 frames in its dataset and 4 in its head.
clip_len = 4
train_dataloader = dict(dataset=dict(clip_len=clip_len))
model = dict(head=dict(test_cfg=dict(clip_len=clip_len)))
