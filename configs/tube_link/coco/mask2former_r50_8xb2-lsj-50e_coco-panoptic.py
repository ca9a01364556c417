# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Initial model of Tube-Link with ResNet-50 for panoptic data; MMDetection
# offers its weights.
_base_ = 'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py'
