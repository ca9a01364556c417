# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for ConvNeXt-L.
_base_ = [
    '../../_base_/models/video-kmax_swin-l.py',
    '../../_base_/datasets/vipseg.py',
    '../../_base_/schedules/schedule_kmax_30k.py',
    '../../_base_/schedules/adamw_video-kmax.py',
    '../../_base_/kmax_runtime.py',
]
