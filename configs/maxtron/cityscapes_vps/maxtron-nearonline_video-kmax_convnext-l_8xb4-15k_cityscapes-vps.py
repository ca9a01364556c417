# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of VIPSeg with other data.
_base_ = [
    '../../_base_/models/maxtron-nearonline_video-kmax_convnext-l.py',
    '../../_base_/datasets/cityscapes_vps.py',
    '../../_base_/schedules/schedule_kmax_15k.py',
    '../../_base_/schedules/adamw_video-kmax.py',
    '../../_base_/kmax_runtime.py',
]

model = _base_.panoptic
