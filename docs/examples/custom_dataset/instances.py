# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = (
    '../../../configs/maxtron/synthetic/'
    'maxtron-nearonline_tube-link_tiny_2xb3-5k_synthetic-vis.py'
)
data = dict(
    data_root='data/custom/vis/', metainfo=dict(classes=('square', 'disc'))
)
train_dataloader = dict(
    dataset=dict(ann_file='annotations/train.json', **data)
)
val_dataloader = test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/valid.json',
        data_prefix=dict(img_path='valid/JPEGImages'),
        **data,
    )
)
model = dict(head=dict(segmenter=dict(num_classes=2)))
load_from = 'demo/maxtron_tiny.pth'
train_cfg = dict(max_iters=60, val_interval=60)
param_scheduler = [dict(type='LinearLR', end=10, by_epoch=False)]
