# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
default_scope = 'mmdet'
custom_imports = dict(
    imports=['projects.maxtron', 'toy_project'], allow_failed_imports=False
)
model = dict(type='ToyModel', hidden_channels=4)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='ToyDataset'),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyDataset'),
)
test_evaluator = dict(type='ToyMetric')
train_cfg = dict(by_epoch=False, max_iters=6)
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01),
    clip_grad=None,
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
    visualization=dict(type='TrackVisualizationHook'),
)
custom_hooks = [dict(type='RNGStateHook')]
log_processor = dict(by_epoch=False)
randomness = dict(seed=1)
