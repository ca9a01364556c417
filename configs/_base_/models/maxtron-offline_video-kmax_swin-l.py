# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    './maxtron-nearonline_video-kmax_swin-l.py',
    './cross-clip_video-kmax.py',
]

model = dict(
    head=dict(
        # only the first stage uses these
        segmenter=dict(semantic_head=None, criterion=None),
        tracker=_base_.tracker,
        criterion=_base_.video_criterion,
    )
)

load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_swin-l_8xb4-30k_vipseg/'
    'iter_30000.pth'
)
