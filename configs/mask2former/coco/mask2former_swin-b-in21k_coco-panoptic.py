# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# The backbone was pre-trained on ImageNet-21k, which only the weights show.
_base_ = './mask2former_swin-b_coco-panoptic.py'
