# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Frames of the videos as images: what COCO is in the paper.
_base_ = [
    '../../_base_/models/video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-bench_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/bench_runtime.py',
]

model = dict(head=dict(test_cfg=dict(clip_len=1)))

train_dataloader = dict(batch_size=8, dataset=dict(clip_len=1))
train_cfg = dict(max_iters=3000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
