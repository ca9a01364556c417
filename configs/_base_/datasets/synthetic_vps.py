# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# python tools/dataset_converters/make_synthetic.py data/synthetic --size demo
_base_ = './vipseg.py'

data_root = 'data/synthetic/vipseg/VIPSeg_720P/'
canvas = (161, 97)  # a pixel more than the frames: sizes are 32 k + 1
# Without copy-paste and colour jitter, which pay off in longer trainings.
train_pipeline = [
    dict(type='RandomClipSampler', include_last=True),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            *_base_.load,
            dict(
                type='ScaleJitter',
                canvas=canvas,
                ratio_range=(0.8, 1.25),
                crop=True,
            ),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PadToCanvas', canvas=canvas),
        ],
    ),
    dict(type='PackPanopticClip'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        type='SyntheticVPSDataset',
        data_root=data_root,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(type='SyntheticVPSDataset', data_root=data_root)
)
test_dataloader = val_dataloader
