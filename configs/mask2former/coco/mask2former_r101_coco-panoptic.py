# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/mask2former_r101.py',
    '../../_base_/datasets/coco_panoptic_test.py',
    '../../_base_/image_runtime.py',
]

model = _base_.panoptic
