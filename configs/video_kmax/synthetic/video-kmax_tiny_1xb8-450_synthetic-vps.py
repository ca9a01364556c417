# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/video-kmax_tiny.py',
    '../../_base_/datasets/synthetic_vps.py',
    '../../_base_/schedules/schedule_kmax_tiny.py',
    '../../_base_/schedules/adamw_video-kmax_tiny.py',
    '../../_base_/default_runtime.py',
]
