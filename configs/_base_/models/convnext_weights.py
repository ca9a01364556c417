# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# ImageNet-22k, then 1k at 384 x 384. The original files are
# https://dl.fbaipublicfiles.com/convnext/convnext_large_22k_1k_384.pth and
# https://dl.fbaipublicfiles.com/convnext/convnextv2/im22k/
# convnextv2_large_22k_384_ema.pt
convnext_l = dict(
    type='Pretrained',
    checkpoint='https://download.openmmlab.com/mmclassification/v0/'
    'convnext/convnext-large_in21k-pre-3rdparty_in1k-384px_'
    '20221219-6d38dd66.pth',
    prefix='backbone.',
)
convnextv2_l = dict(
    type='Pretrained',
    checkpoint='https://download.openmmlab.com/mmclassification/v0/'
    'convnext-v2/convnext-v2-large_fcmae-in21k-pre_3rdparty_in1k-'
    '384px_20230104-9139a1f3.pth',
    prefix='backbone.',
)
