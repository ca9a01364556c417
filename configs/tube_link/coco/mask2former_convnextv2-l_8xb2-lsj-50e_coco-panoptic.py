# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_convnext-l_8xb2-lsj-50e_coco-panoptic.py'

model = dict(backbone=dict(use_grn=True, init_cfg=_base_.convnextv2_l))
