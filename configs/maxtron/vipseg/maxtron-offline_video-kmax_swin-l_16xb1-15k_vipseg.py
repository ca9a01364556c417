# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for ConvNeXt-L.
_base_ = [
    '../../_base_/models/maxtron-offline_video-kmax_swin-l.py',
    '../../_base_/datasets/vipseg_24frames.py',
    '../../_base_/schedules/schedule_kmax_15k.py',
    '../../_base_/schedules/adamw_video-kmax_offline.py',
    '../../_base_/kmax_offline_runtime.py',
]
