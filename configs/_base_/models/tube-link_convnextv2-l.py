# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './tube-link_convnext-l.py'

model = dict(backbone=dict(use_grn=True))

load_from = 'checkpoints/mask2former_convnextv2-l_coco-panoptic.pth'
