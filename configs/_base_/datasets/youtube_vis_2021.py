# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './youtube_vis.py'

data_root = 'data/youtube_vis_2021/'

train_dataloader = dict(
    dataset=dict(
        dataset_version='2021',
        data_root=data_root,
        ann_file='annotations/youtube_vis_2021_train.json',
    )
)
val_dataloader = dict(
    dataset=dict(
        dataset_version='2021',
        data_root=data_root,
        ann_file='annotations/youtube_vis_2021_valid.json',
    )
)
test_dataloader = val_dataloader
