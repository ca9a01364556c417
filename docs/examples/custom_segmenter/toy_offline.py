# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './toy_nearonline.py'

model = dict(
    head=dict(
        tracker=dict(  # cross-clip tracking
            type='CrossClipTracker',
            embed_dims=64,  # width of the queries
            num_layers=2,
            num_heads=4,
        )
    )
)
train_dataloader = dict(batch_size=2, dataset=dict(clip_len=9))  # 3 clips
load_from = 'work_dirs/toy_nearonline/iter_150.pth'
train_cfg = dict(max_iters=100, val_interval=100)
