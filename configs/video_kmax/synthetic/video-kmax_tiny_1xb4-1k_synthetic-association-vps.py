# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Common start of the trainings of tools/misc/compare_stages.py.
_base_ = [
    '../../_base_/models/video-kmax_tiny.py',
    '../../_base_/datasets/synthetic-association_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/default_runtime.py',
]

train_cfg = dict(max_iters=1000, val_interval=500)
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
auto_scale_lr = dict(base_batch_size=4)
