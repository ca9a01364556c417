# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Settings that all datasets of video instance segmentation share, no paths.
backend_args = None

train_pipeline = [
    dict(type='ClipSampler'),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', backend_args=backend_args),
            dict(type='LoadTrackAnnotations', with_mask=True),
            dict(
                type='RandomChoiceResize',
                # only the shorter side is limited
                scales=[(1000000, side) for side in range(288, 513, 32)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(type='RejectEmpty'),
    dict(type='PackTrackInputs'),
]
# The model loads a video clip by clip.
test_pipeline = [
    dict(
        type='PackLazyVideo',
        transforms=[
            dict(type='LoadVideoFrame', backend_args=backend_args),
            dict(type='Resize', scale=(640, 360), keep_ratio=True),
        ],
    )
]

train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='TrackImgSampler'),
    batch_sampler=dict(type='TrackAspectRatioBatchSampler'),
    dataset=dict(
        type='YouTubeVISClipDataset',
        clip_len=5,
        data_prefix=dict(img_path='train/JPEGImages'),
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
        type='YouTubeVISClipDataset',
        data_prefix=dict(img_path='valid/JPEGImages'),
        test_mode=True,
        backend_args=backend_args,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# The annotations of the official validation sets are not public: then this
# writes the submission for the evaluation server and logs it. With
# annotations, it also reports AP, AP50, AP75, AR1 and AR10.
val_evaluator = dict(type='ClipYouTubeVISMetric')
test_evaluator = val_evaluator
