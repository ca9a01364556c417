# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Within-clip tracking without its temporal layers, on images.
_base_ = [
    '../../_base_/models/maxtron-nearonline_video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-bench_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/bench_runtime.py',
]

model = dict(
    neck=dict(temporal_cfg=dict(num_layers=0)),
    head=dict(test_cfg=dict(clip_len=1)),
)

train_dataloader = dict(batch_size=8, dataset=dict(clip_len=1))
train_cfg = dict(max_iters=3000, val_interval=1000)
optim_wrapper = dict(
    optimizer=dict(lr=1.5e-3),
    # The post-norm layers diverge at the rate of the other layers.
    paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=0.25))),
)
