# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: KITTI-STEP, the output of
# tools/dataset_converters/step_to_720p.py. The canvas holds 1242 x 376. There
# is no copy-paste.
_base_ = './vipseg_no-paste.py'

data_root = 'data/kitti_step/'
canvas = (1249, 385)  # width, height; the model's input_size is its reverse
train_pipeline = _base_.train_pipeline
train_pipeline[1].transforms[-2].canvas = canvas
train_pipeline[2].transforms[-1].canvas = canvas
train_dataloader = dict(
    dataset=dict(
        type='KITTISTEPDataset',
        data_root=data_root,
        ann_file='panoptic_gt_KITTI-STEP_train.json',
        data_prefix=dict(img_path='images/train'),
        img_suffix='.png',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type='KITTISTEPDataset',
        data_root=data_root,
        ann_file='panoptic_gt_KITTI-STEP_val.json',
        data_prefix=dict(img_path='images/val'),
        img_suffix='.png',
    )
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='STQMetric'), dict(type='VPQMetric')]
test_evaluator = val_evaluator

# Changes to the model.
panoptic = dict(
    data_preprocessor=dict(input_size=canvas[::-1]),
    head=dict(
        segmenter=dict(num_classes=19), test_cfg=dict(thing_labels=[11, 13])
    ),
)
