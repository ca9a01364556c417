# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_swin-l.py',
    '../../_base_/datasets/ovis.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

# Released settings; the paper has 5 clips of 4 frames.
train_dataloader = dict(dataset=dict(clip_len=16))  # 4 clips
model = dict(
    head=dict(segmenter=dict(num_classes=25), test_cfg=dict(clip_len=4))
)

# As in the reference, not the last of the 15k iterations.
load_from = (
    'work_dirs/maxtron-nearonline_tube-link_swin-l_16xb1-15k_ovis/'
    'iter_10000.pth'
)
