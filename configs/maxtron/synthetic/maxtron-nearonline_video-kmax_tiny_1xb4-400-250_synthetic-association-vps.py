# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The first stage continued, for tools/misc/compare_stages.py.
_base_ = (
    './maxtron-nearonline_video-kmax_tiny_1xb4-400_'
    'synthetic-association-vps.py'
)

param_scheduler = [dict(type='WarmupPolyLR', warmup_iters=20, by_epoch=False)]
train_cfg = dict(max_iters=250, val_interval=250)
optim_wrapper = dict(optimizer=dict(lr=5e-4))

load_from = (
    'work_dirs/compare_stages/maxtron-nearonline_video-kmax_tiny_1xb4-400_'
    'synthetic-association-vps/seed0/iter_400.pth'
)
