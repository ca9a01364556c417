# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# 500 iterations of warm-up: the factor of iteration i is
# 1 - (1 - i / 500) * (1 - 0.001), which takes end=501 in MMEngine.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, begin=0, end=501, by_epoch=False
    ),
    dict(
        type='MultiStepLR', milestones=[5000, 10000], gamma=0.1, by_epoch=False
    ),
]

# The ground truth of the validation sets of instances is not public, so
# nothing is validated in between; the validation at the end writes the
# submission. With ground truth of your own, set train_cfg.val_interval.
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=15000, val_interval=15001
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
