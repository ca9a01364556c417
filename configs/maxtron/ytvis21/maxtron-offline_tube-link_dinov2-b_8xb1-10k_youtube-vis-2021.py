# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: see ../../_base_/models/vit_backbones.py.
_base_ = [
    '../../_base_/models/maxtron-offline_tube-link_dinov2-b.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_offline_10k.py',
    '../../_base_/schedules/adamw_vit.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(dataset=dict(clip_len=15))  # 3 clips

load_from = (
    'work_dirs/maxtron-nearonline_'
    'tube-link_dinov2-b_8xb1-160k_youtube-vis-2021/iter_160000.pth'
)
