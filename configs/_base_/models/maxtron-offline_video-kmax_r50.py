# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The second stage: backbone, neck and segmenter are frozen. The heads of the
# tracker are copies of the segmenter's, made when load_from is read.
_base_ = [
    './maxtron-nearonline_video-kmax_r50.py',
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

# The first stage's last checkpoint, where tools/train.py leaves it.
load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg/'
    'iter_40000.pth'
)
