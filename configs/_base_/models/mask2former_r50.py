# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# MMDetection's Mask2Former for COCO instances, applied to single frames.
_base_ = './tube-link_r50.py'

model = dict(
    type='ImageMaXTron',
    head=dict(
        segmenter=dict(
            type='Mask2FormerClipHead',
            num_classes=80,
            positional_encoding=dict(type='SinePositionalEncoding'),
        ),
        # max_per_image=100 of MMDetection
        test_cfg=dict(clip_len=1, max_per_frame=100),
    ),
)
load_from = None
