# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The same training continued, for tools/misc/compare_stages.py.
_base_ = './video-kmax_tiny_1xb4-1k_synthetic-association-vps.py'

train_cfg = dict(max_iters=650, val_interval=650)
# mask_norm has grown before.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(mask_norm=dict(lr_mult=1.0)))
)

load_from = (
    'work_dirs/compare_stages/'
    'video-kmax_tiny_1xb4-1k_synthetic-association-vps/seed0/iter_1000.pth'
)
