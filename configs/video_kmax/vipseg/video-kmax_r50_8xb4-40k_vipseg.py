# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/video-kmax_r50.py',
    '../../_base_/datasets/vipseg.py',
    '../../_base_/schedules/schedule_kmax_40k.py',
    '../../_base_/schedules/adamw_video-kmax.py',
    '../../_base_/kmax_runtime.py',
]
