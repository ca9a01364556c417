# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Trains from scratch on a CPU core, on 1,200 videos (make_synthetic.py
# --num-train 1200); demo/maxtron_tiny_panoptic.pth is made with it.
_base_ = [
    '../../_base_/models/maxtron-nearonline_video-kmax_tiny.py',
    '../../_base_/models/association_robust.py',
    '../../_base_/datasets/synthetic-association_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/demo_runtime.py',
]

model = dict(head=dict(association=_base_.association))

train_cfg = dict(max_iters=8000, val_interval=8000)
param_scheduler = [dict(type='WarmupPolyLR', warmup_iters=200, by_epoch=False)]
optim_wrapper = dict(
    optimizer=dict(lr=1.5e-3),
    # The post-norm layers of the neck diverge at the rate of the other layers.
    paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=0.25))),
)
auto_scale_lr = dict(base_batch_size=4)
