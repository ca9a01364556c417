# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the training pipeline of VIPSeg without copy-paste. A
# config that inherits it replaces the canvas in the two steps that have one.
_base_ = './vipseg.py'

train_pipeline = [
    dict(type='RandomClipSampler'),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            *_base_.load,
            dict(
                type='ScaleJitter',
                canvas=_base_.canvas,
                ratio_range=(0.3, 1.7),
                crop=True,
            ),
            _base_.flip,
        ],
    ),
    _base_.finish,
    dict(type='PackPanopticClip'),
]
