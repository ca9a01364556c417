# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = (
    '../../../configs/maxtron/synthetic/'
    'maxtron-nearonline_video-kmax_tiny_1xb8-450_synthetic-vps.py'
)
stuff, things = ('sky', 'grass'), ('square', 'disc')
data = dict(
    data_root='data/custom/vps/VIPSeg_720P/',
    metainfo=dict(
        classes=stuff + things, stuff_classes=stuff, thing_classes=things
    ),
)
train_dataloader = dict(batch_size=2, dataset=data)
val_dataloader = test_dataloader = dict(dataset=data)
model = dict(
    head=dict(
        segmenter=dict(num_classes=4), test_cfg=dict(thing_labels=[2, 3])
    )
)
load_from = 'demo/maxtron_tiny_panoptic.pth'
train_cfg = dict(max_iters=60, val_interval=60)
param_scheduler = [dict(type='WarmupPolyLR', warmup_iters=10, by_epoch=False)]
