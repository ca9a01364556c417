# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: data of instances for Video-kMaX, which requires clips
# on a canvas and one map of all masks. The sizes are ours, the rest is as for
# VIPSeg. The canvas holds 640 x 360; portrait videos become smaller than with
# Tube-Link. input_size of the model is (height, width) of the canvas.
canvas = (641, 385)

canvas_train_pipeline = [
    dict(type='ClipSampler'),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', to_float32=False),
            dict(type='LoadTrackAnnotations', with_mask=True),
            dict(type='TracksToPanopticMap'),
            dict(
                type='ScaleJitter',
                canvas=canvas,
                ratio_range=(0.3, 1.7),
                crop=True,
            ),
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='SSDColorJitter'),
            dict(type='PadToCanvas', canvas=canvas),
        ],
    ),
    # with nothing on it another clip is drawn
    dict(type='PackPanopticClip', min_labelled=0),
]
canvas_test_pipeline = [
    dict(
        type='PackLazyVideo',
        transforms=[dict(type='LoadVideoFrame', to_float32=False)],
    )
]

# Changes to the model, near-online and offline. Pixels without an instance
# are background, not unlabelled, and so they count in matching and dice.
instances = dict(
    data_preprocessor=dict(input_size=canvas[::-1]),
    head=dict(
        type='MaXTronHead',
        segmenter=dict(
            num_classes=40, criterion=dict(masking_void_pixel=False)
        ),
        test_cfg=dict(_delete_=True, clip_len=2),
    ),
)
offline_instances = dict(
    data_preprocessor=dict(input_size=canvas[::-1]),
    head=dict(
        type='MaXTronHead',
        segmenter=dict(num_classes=40),
        criterion=dict(masking_void_pixel=False),
        test_cfg=dict(_delete_=True, clip_len=2),
    ),
)
