# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_r50.py',
    '../../_base_/datasets/ovis.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_maxtron_r50.py',
    '../../_base_/default_runtime.py',
]

# Released settings; the paper has 5 clips of 4 frames.
train_dataloader = dict(dataset=dict(clip_len=24))  # 6 clips
model = dict(
    head=dict(
        segmenter=dict(num_classes=25),
        tracker=dict(num_layers=6),  # N_c; the paper has 4
        test_cfg=dict(clip_len=4),
    )
)

# As in the reference, not the last of the 15k iterations.
load_from = (
    'work_dirs/maxtron-nearonline_tube-link_r50_8xb1-15k_ovis/iter_10000.pth'
)
