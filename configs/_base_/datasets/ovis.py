# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './youtube_vis.py'

data_root = 'data/ovis/'

train_pipeline = [
    dict(type='ClipSampler'),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', backend_args=_base_.backend_args),
            dict(type='LoadTrackAnnotations', with_mask=True),
            dict(
                type='RandomChoiceResize',
                scales=[(1000000, side) for side in range(480, 801, 32)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(type='ClipCrop', crop_size=(640, 384)),
    dict(type='PackTrackInputs'),
]
train_dataloader = dict(
    dataset=dict(
        type='OVISDataset',
        clip_len=4,
        data_root=data_root,
        ann_file='annotations/ovis_train.json',
        data_prefix=dict(img_path='train'),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type='OVISDataset',
        data_root=data_root,
        ann_file='annotations/ovis_valid.json',
        data_prefix=dict(img_path='valid'),
    )
)
test_dataloader = val_dataloader
