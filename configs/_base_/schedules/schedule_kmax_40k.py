# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
param_scheduler = [
    dict(type='WarmupPolyLR', warmup_iters=2000, by_epoch=False)
]

train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
