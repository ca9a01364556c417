# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/mask2former_swin-s.py',
    '../../_base_/datasets/coco_instance_test.py',
    '../../_base_/image_runtime.py',
]
