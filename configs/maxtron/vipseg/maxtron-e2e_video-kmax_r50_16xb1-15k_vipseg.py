# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as the offline model, but nothing is frozen.
_base_ = [
    '../../_base_/models/maxtron-e2e_video-kmax_r50.py',
    '../../_base_/datasets/vipseg_24frames_reverse.py',
    '../../_base_/schedules/schedule_kmax_15k.py',
    '../../_base_/schedules/adamw_video-kmax_offline.py',
    '../../_base_/kmax_offline_runtime.py',
]
