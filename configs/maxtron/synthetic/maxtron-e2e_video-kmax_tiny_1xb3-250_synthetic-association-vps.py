# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Second stage, which trains all weights, on three videos of 4 clips. The batch
# norms use the statistics of one clip of each video.
_base_ = [
    '../../_base_/models/maxtron-e2e_video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-association_vps.py',
    '../../_base_/schedules/schedule_kmax_second-stage_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_e2e_tiny.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=3, dataset=dict(clip_len=8))
train_cfg = dict(max_iters=250, val_interval=250)
auto_scale_lr = dict(base_batch_size=3)

load_from = (
    'work_dirs/compare_stages/maxtron-nearonline_video-kmax_tiny_1xb4-400_'
    'synthetic-association-vps/seed0/iter_400.pth'
)
