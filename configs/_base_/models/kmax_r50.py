# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# kMaX-DeepLab for COCO panoptic: Video-kMaX on clips of one frame.
_base_ = './video-kmax_r50.py'

model = dict(
    type='ImageMaXTron',
    data_preprocessor=dict(input_size=(1281, 1281)),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/'
            'resnet50-0676ba61.pth',
        )
    ),
    head=dict(
        segmenter=dict(
            num_classes=133,
            criterion=dict(
                loss_cls=dict(loss_weight=3.0),
                loss_mask=dict(loss_weight=0.3),
                loss_dice=dict(loss_weight=3.0),
                loss_pixel=dict(sampler=dict(temperature=1.5)),
                loss_semantic=dict(sampler=dict(temperature=2.0)),
            ),
        ),
        test_cfg=dict(
            thing_labels=list(range(80)),
            pixel_thr=0.4,
            thing_thr=0.7,
            stuff_thr=0.5,
            overlap_thr=0.8,
        ),
    ),
)
load_from = None
