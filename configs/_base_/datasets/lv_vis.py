# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: LV-VIS as a closed set. The classes are those of the
# annotation files. The validation set has annotations, so that AP is computed,
# also of base and novel classes.
_base_ = './youtube_vis.py'

data_root = 'data/lv_vis/'

train_dataloader = dict(
    dataset=dict(
        type='LVVISDataset',
        data_root=data_root,
        ann_file='annotations/lv_vis_train.json',
        data_prefix=dict(img_path='JPEGImages/train'),
    )
)
val_dataloader = dict(
    dataset=dict(
        type='LVVISDataset',
        data_root=data_root,
        ann_file='annotations/lv_vis_val.json',
        data_prefix=dict(img_path='JPEGImages/val'),
    )
)
test_dataloader = val_dataloader
