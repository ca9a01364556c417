# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/tube-link_r50.py',
    '../../_base_/datasets/youtube_vis_2021.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_tube-link_r50.py',
    '../../_base_/default_runtime.py',
]
