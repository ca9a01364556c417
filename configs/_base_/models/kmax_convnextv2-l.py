# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './kmax_convnext-l.py'

model = dict(backbone=dict(use_grn=True, init_cfg=_base_.convnextv2_l))
