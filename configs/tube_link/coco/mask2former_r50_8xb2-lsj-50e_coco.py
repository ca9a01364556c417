# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# What Tube-Link with ResNet-50 starts from on instances; MMDetection offers
# its weights.
_base_ = 'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'
