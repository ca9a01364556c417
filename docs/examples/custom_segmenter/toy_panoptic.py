# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = '../custom_dataset/panoptic.py'

custom_imports = dict(
    imports=['projects.maxtron', 'docs.examples.toy_segmenter']
)
model = dict(
    head=dict(
        segmenter=dict(
            _delete_=True,
            type='ToySegmenter',
            num_classes=4,
            in_channels=[24, 48, 96, 192],
        )
    )
)
load_from = None
train_cfg = dict(max_iters=150, val_interval=150)
