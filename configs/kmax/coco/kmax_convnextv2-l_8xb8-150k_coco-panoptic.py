# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/kmax_convnextv2-l.py',
    '../../_base_/datasets/coco_panoptic_kmax.py',
    '../../_base_/schedules/schedule_kmax_150k.py',
    '../../_base_/schedules/adamw_kmax_convnextv2-l.py',
    '../../_base_/kmax_image_runtime.py',
]
