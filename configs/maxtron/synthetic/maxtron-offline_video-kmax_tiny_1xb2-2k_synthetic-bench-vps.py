# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Second stage: trains what tracks across clips, two videos of 6 clips a step.
_base_ = [
    '../../_base_/models/maxtron-offline_video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-bench_vps.py',
    '../../_base_/schedules/schedule_kmax_second-stage_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_second-stage_tiny.py',
    '../../_base_/bench_runtime.py',
]

model = dict(
    head=dict(tracker=dict(num_layers=4, separate_norm_statistics=True))
)

train_dataloader = dict(batch_size=2, dataset=dict(clip_len=12))
train_cfg = dict(max_iters=2000, val_interval=500)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4),
    # The heads begin as those of the segmenter.
    paramwise_cfg=dict(custom_keys=dict(tracker_heads=dict(lr_mult=0.1))),
)
auto_scale_lr = dict(base_batch_size=2)

load_from = (
    'work_dirs/compare_stages/maxtron-nearonline_video-kmax_tiny_1xb4-4k_'
    'synthetic-bench-vps/seed0/iter_4000.pth'
)
