# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './kmax_r50.py'

# ImageNet-22k, then 1k at 384 x 384; the original file is
# https://dl.fbaipublicfiles.com/convnext/convnext_large_22k_1k_384.pth
model = dict(
    backbone=dict(
        _delete_=True,
        type='ConvNeXt',
        arch='large',
        drop_path_rate=0.6,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/'
            'convnext/convnext-large_in21k-pre-3rdparty_in1k-384px_'
            '20221219-6d38dd66.pth',
            prefix='backbone.')),
    head=dict(segmenter=dict(in_channels=[192, 384, 768, 1536])))
