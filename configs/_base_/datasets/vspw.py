# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: VSPW_480p, video semantic segmentation. The canvas
# holds 854 x 480. There is no copy-paste.
_base_ = './vipseg_no-paste.py'

data_root = 'data/VSPW_480p/'
canvas = (865, 481)  # width, height; the model's input_size is its reverse
train_pipeline = _base_.train_pipeline
train_pipeline[1].transforms[-2].canvas = canvas
train_pipeline[2].transforms[-1].canvas = canvas
train_dataloader = dict(
    dataset=dict(
        type='VSPWDataset',
        data_root=data_root,
        ann_file='train.txt',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(type='VSPWDataset', data_root=data_root, ann_file='val.txt')
)
test_dataloader = val_dataloader

# compatible=True computes mVC like the published code
val_evaluator = [dict(type='SemanticVideoMetric')]
test_evaluator = val_evaluator

# Changes to the model. No class is a thing. The thresholds are low, because a
# pixel without a segment has no class, which is wrong in mIoU.
semantic = dict(
    data_preprocessor=dict(input_size=canvas[::-1]),
    head=dict(
        test_cfg=dict(
            thing_labels=[], pixel_thr=0.1, stuff_thr=0.1, overlap_thr=0.0
        )
    ),
)
