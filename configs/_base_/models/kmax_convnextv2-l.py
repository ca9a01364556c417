# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './kmax_convnext-l.py'

# The original file is https://dl.fbaipublicfiles.com/convnext/convnextv2/
# im22k/convnextv2_large_22k_384_ema.pt
model = dict(
    backbone=dict(
        use_grn=True,
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmclassification/v0/'
            'convnext-v2/convnext-v2-large_fcmae-in21k-pre_3rdparty_in1k-'
            '384px_20230104-9139a1f3.pth')))
