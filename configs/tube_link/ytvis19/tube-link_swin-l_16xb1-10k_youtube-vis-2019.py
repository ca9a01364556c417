# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/tube-link_swin-l.py',
    '../../_base_/datasets/youtube_vis_2019.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]
