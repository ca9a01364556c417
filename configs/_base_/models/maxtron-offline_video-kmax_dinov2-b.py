# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    './maxtron-nearonline_video-kmax_dinov2-b.py',
    './cross-clip_video-kmax.py',
]

model = dict(
    head=dict(
        # only the first stage uses these
        segmenter=dict(semantic_head=None, criterion=None),
        tracker=_base_.tracker,
        criterion=_base_.video_criterion,
        test_cfg=dict(pixel_thr=0.2, thing_thr=0.2, stuff_thr=0.45),
    )
)

load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_dinov2-b_8xb4-40k_vipseg/'
    'iter_40000.pth'
)
