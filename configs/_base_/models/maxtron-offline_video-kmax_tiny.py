# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    './maxtron-nearonline_video-kmax_tiny.py',
    './cross-clip_video-kmax_tiny.py',
]

model = dict(
    head=dict(
        segmenter=dict(semantic_head=None, criterion=None),  # is frozen
        tracker=_base_.tracker,
        criterion=_base_.video_criterion,
    )
)
