# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# COCO panoptic for pre-training: images are clips of one frame.
backend_args = None
data_root = 'data/coco/'
canvas = (1281, 1281)  # width, height; the model's input_size is its reverse

load = [
    dict(type='LoadVideoFrame', to_float32=False, backend_args=backend_args),
    dict(type='LoadPanopticMap', backend_args=backend_args),
]
finish = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='SSDColorJitter'),
    dict(type='PadToCanvas', canvas=canvas),
]
train_pipeline = [
    dict(
        type='VideoCopyPaste',
        transforms=[
            dict(type='RandomClipSampler'),
            dict(
                type='TransformBroadcaster',
                transforms=[
                    *load,
                    dict(
                        type='ScaleJitter',
                        canvas=canvas,
                        ratio_range=(0.2, 2.0),
                        crop=True,
                    ),
                    *finish,
                ],
            ),
        ],
        paste_transforms=[
            dict(type='RandomClipSampler'),
            dict(
                type='TransformBroadcaster',
                transforms=[
                    *load,
                    dict(
                        type='ScaleJitter',
                        canvas=canvas,
                        ratio_range=(0.1, 1.0),
                        crop=True,
                    ),
                    *finish,
                ],
            ),
        ],
    ),
    # at stride 4; with fewer labelled pixels another image is drawn
    dict(type='PackPanopticClip', min_labelled=4096),
]
# the model resizes after it has normalised
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=backend_args),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape'),
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoPanopticClipDataset',
        data_root=data_root,
        ann_file='annotations/panoptic_train2017.json',
        data_prefix=dict(
            img='train2017/', seg='annotations/panoptic_train2017/'
        ),
        backend_args=backend_args,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoPanopticDataset',
        data_root=data_root,
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(img='val2017/', seg='annotations/panoptic_val2017/'),
        test_mode=True,
        backend_args=backend_args,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# needs the package panopticapi: pip install --no-deps panopticapi-lite
val_evaluator = dict(
    type='CocoPanopticMetric',
    ann_file=data_root + 'annotations/panoptic_val2017.json',
    seg_prefix=data_root + 'annotations/panoptic_val2017/',
    backend_args=backend_args,
)
test_evaluator = val_evaluator
