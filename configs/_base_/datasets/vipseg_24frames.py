# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './vipseg.py'

# 12 clips of 2 frames; the model's head.test_cfg.clip_len is the 2
train_dataloader = dict(batch_size=1, dataset=dict(clip_len=24))
