# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# python tools/dataset_converters/make_synthetic.py data/synthetic --size demo
_base_ = './youtube_vis.py'

data_root = 'data/synthetic/youtube-vis/'

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
                # frames are 96 pixels high; all of these pad to 96 x 160
                scales=[(1000000, side) for side in range(72, 97, 8)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(type='RejectEmpty'),
    dict(type='PackTrackInputs'),
]
test_pipeline = [
    dict(
        type='PackLazyVideo',
        transforms=[
            dict(type='LoadVideoFrame', backend_args=_base_.backend_args),
            dict(type='Resize', scale=(160, 96), keep_ratio=True),
        ],
    )
]

train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        type='SyntheticVISDataset',
        clip_len=3,
        data_root=data_root,
        ann_file='annotations/synthetic_vis_train.json',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='SyntheticVISDataset',
        data_root=data_root,
        ann_file='annotations/synthetic_vis_val.json',
        data_prefix=dict(img_path='val/JPEGImages'),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
