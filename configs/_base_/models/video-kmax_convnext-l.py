# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './video-kmax_r50.py'

model = dict(
    backbone=dict(
        _delete_=True, type='ConvNeXt', arch='large', drop_path_rate=0.3
    ),
    head=dict(
        segmenter=dict(
            in_channels=[192, 384, 768, 1536],
            criterion=dict(loss_mask=dict(loss_weight=0.01)),
        ),
        # The reference's configs test with segment_decision='per_clip', but
        # its docs recommend the decision per video.
        test_cfg=dict(
            pixel_thr=0.4, thing_thr=0.7, stuff_thr=0.5, overlap_thr=0.8
        ),
    ),
)

load_from = 'checkpoints/kmax_convnext-l_coco-panoptic.pth'
