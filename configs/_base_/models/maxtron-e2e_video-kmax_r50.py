# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the second stage with nothing frozen.
_base_ = [
    './maxtron-nearonline_video-kmax_r50.py',
    './cross-clip_video-kmax.py',
]

model = dict(
    freeze_segmenter=False,
    head=dict(
        tracker=_base_.tracker,
        # of the video; that of each clip is segmenter.criterion
        criterion=_base_.video_criterion,
        clip_loss_weight=1.0,
        test_cfg=dict(pixel_thr=0.2, thing_thr=0.2, stuff_thr=0.45),
    ),
)

load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg/'
    'iter_40000.pth'
)
