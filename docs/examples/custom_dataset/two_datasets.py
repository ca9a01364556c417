# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './instances.py'
first = _base_.train_dataloader.dataset
second = dict(type='RepeatDataset', times=3, dataset=dict(first))
second['dataset'].update(
    ann_file='annotations/valid.json',
    data_prefix=dict(img_path='valid/JPEGImages'),
)
train_dataloader = dict(
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[first, second])
)
