# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# VIPSeg_720P, the output of tools/dataset_converters/vipseg_to_720p.py. For
# the raw layout set data_root to the folder with imgs/ and panomasks/, and
# ann_file to train.txt or val.txt.
backend_args = None
data_root = 'data/VIPSeg/VIPSeg_720P/'
canvas = (1345, 769)  # width, height; the model's input_size is its reverse

# Geometry is random per clip, colours are random per frame. Cropping is part
# of resizing and precedes the change of colours, which only saves time.
load = [
    dict(type='LoadVideoFrame', to_float32=False, backend_args=backend_args),
    dict(type='LoadPanopticMap', backend_args=backend_args),
]
flip = dict(type='RandomFlip', prob=0.5)
finish = dict(
    type='TransformBroadcaster',
    transforms=[
        dict(type='SSDColorJitter'),
        dict(type='PadToCanvas', canvas=canvas),
    ],
)
train_pipeline = [
    dict(
        type='VideoCopyPaste',
        transforms=[
            dict(type='RandomClipSampler'),
            dict(
                type='TransformBroadcaster',
                share_random_params=True,
                transforms=[
                    *load,
                    dict(
                        type='ScaleJitter',
                        canvas=canvas,
                        ratio_range=(0.3, 1.7),
                        crop=True,
                    ),
                    flip,
                ],
            ),
            finish,
        ],
        paste_transforms=[
            dict(type='RandomClipSampler'),
            dict(
                type='TransformBroadcaster',
                share_random_params=True,
                transforms=[
                    *load,
                    dict(
                        type='ScaleJitter',
                        canvas=canvas,
                        ratio_range=(0.15, 0.85),
                        crop=True,
                    ),
                    flip,
                ],
            ),
            finish,
        ],
    ),
    dict(type='PackPanopticClip'),
]
# The model loads a video clip by clip and resizes normalised frames.
test_pipeline = [
    dict(
        type='PackLazyVideo',
        transforms=[
            dict(
                type='LoadVideoFrame',
                to_float32=False,
                backend_args=backend_args,
            )
        ],
        meta_keys=(
            'img_id',
            'img_path',
            'frame_id',
            'video_id',
            'video_length',
            'ori_video_length',
            'seg_map_path',
            'segments_info',
        ),
    )
]

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    # landscape and portrait videos in different batches
    batch_sampler=dict(type='TrackAspectRatioBatchSampler'),
    dataset=dict(
        type='VIPSegDataset',
        clip_len=2,
        data_root=data_root,
        ann_file='panoptic_gt_VIPSeg_train.json',
        backend_args=backend_args,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,  # nothing to load ahead
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VIPSegDataset',
        data_root=data_root,
        ann_file='panoptic_gt_VIPSeg_val.json',
        test_mode=True,
        backend_args=backend_args,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='VPQMetric'), dict(type='STQMetric')]
test_evaluator = val_evaluator
