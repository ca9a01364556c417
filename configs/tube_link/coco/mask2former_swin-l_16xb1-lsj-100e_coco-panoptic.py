# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Initial model of Tube-Link with Swin-L; MMDetection offers its weights.
_base_ = 'mmdet::mask2former/mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic.py'  # noqa: E501
