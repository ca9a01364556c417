# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = ['./youtube_vis_2021.py', './tracks_on_canvas.py']

train_dataloader = dict(
    batch_size=4,
    dataset=dict(clip_len=2, pipeline=_base_.canvas_train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.canvas_test_pipeline))
test_dataloader = val_dataloader
