# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Second stage, in which everything is trained, on two videos of 4 clips.
_base_ = [
    '../../_base_/models/maxtron-e2e_video-kmax_tiny.py',
    '../../_base_/datasets/synthetic_vps.py',
    '../../_base_/schedules/schedule_kmax_second-stage_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_e2e_tiny.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=2, dataset=dict(clip_len=8))
train_cfg = dict(max_iters=300, val_interval=300)
auto_scale_lr = dict(base_batch_size=2)

load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_tiny_1xb8-450_synthetic-vps/'
    'iter_450.pth'
)
