# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Clips, after a training on images, for tools/misc/compare_stages.py.
_base_ = [
    '../../_base_/models/video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-bench_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/bench_runtime.py',
]

train_cfg = dict(max_iters=4000, val_interval=1000)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    # mask_norm has grown before.
    paramwise_cfg=dict(custom_keys=dict(mask_norm=dict(lr_mult=1.0))),
)
auto_scale_lr = dict(base_batch_size=4)

load_from = (
    'work_dirs/compare_stages/kmax_tiny_1xb8-3k_synthetic-bench-vps/seed0/'
    'iter_3000.pth'
)
