# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for 2021, whose training set is the same.
_base_ = [
    '../../_base_/models/tube-link_swin-l.py',
    '../../_base_/datasets/youtube_vis_2022.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]
