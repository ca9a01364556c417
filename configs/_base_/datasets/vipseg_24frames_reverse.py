# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './vipseg_24frames.py'

# A clip is played backwards with probability 0.5, and so is one to paste.
sampler = dict(type='RandomClipSampler', reverse_prob=0.5)
train_pipeline = _base_.train_pipeline
train_pipeline[0]['transforms'][0] = sampler
train_pipeline[0]['paste_transforms'][0] = sampler

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
