# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of VIPSeg with other data.
_base_ = [
    '../../_base_/models/maxtron-offline_video-kmax_convnext-l.py',
    '../../_base_/datasets/youtube_vis_2021_canvas.py',
    '../../_base_/schedules/schedule_kmax_15k_test-only.py',
    '../../_base_/schedules/adamw_video-kmax_offline.py',
    '../../_base_/kmax_offline_runtime.py',
]

model = _base_.offline_instances
# 6 clips of 2: many videos have fewer than 24 frames
train_dataloader = dict(batch_size=1, dataset=dict(clip_len=12))

load_from = (
    'work_dirs/maxtron-nearonline_'
    'video-kmax_convnext-l_8xb4-15k_youtube-vis-2021/iter_15000.pth'
)
