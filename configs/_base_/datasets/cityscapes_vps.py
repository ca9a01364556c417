# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: Cityscapes-VPS, listed by
# tools/dataset_converters/cityscapes_vps_to_720p.py. The canvas holds
# 2048 x 1024. There is no copy-paste. A training sample has every fifth frame.
_base_ = './vipseg_no-paste.py'

data_root = 'data/cityscapes_vps/'
canvas = (2049, 1025)  # width, height; the model's input_size is its reverse
train_pipeline = _base_.train_pipeline
train_pipeline[1].transforms[-2].canvas = canvas
train_pipeline[2].transforms[-1].canvas = canvas
train_dataloader = dict(
    dataset=dict(
        type='CityscapesVPSDataset',
        data_root=data_root,
        ann_file='cityscapes_vps_train.json',
        data_prefix=dict(
            img_path='images/train', seg_map_path='panomasksRGB/train'
        ),
        img_suffix='.png',
        pipeline=train_pipeline,
    )
)
# All 30 frames of a video are predicted, and the annotated ones evaluated.
# With cityscapes_vps_val.json only the annotated ones are predicted.
val_dataloader = dict(
    dataset=dict(
        type='CityscapesVPSDataset',
        data_root=data_root,
        ann_file='cityscapes_vps_val_all.json',
        data_prefix=dict(
            img_path='images/val', seg_map_path='panomasksRGB/val'
        ),
        img_suffix='.png',
    )
)
test_dataloader = val_dataloader

# The windows are 1 to 4 annotated frames: 1, 6, 11 and 16 frames of the video.
val_evaluator = [dict(type='VPQMetric', windows=[1, 2, 3, 4], sparse=True)]
test_evaluator = val_evaluator

# Changes to the model.
panoptic = dict(
    data_preprocessor=dict(input_size=canvas[::-1]),
    head=dict(
        segmenter=dict(num_classes=19),
        test_cfg=dict(thing_labels=[11, 12, 13, 14, 15, 16, 17, 18]),
    ),
)
