# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: as for Swin-L.
_base_ = [
    '../../_base_/models/tube-link_convnextv2-l.py',
    '../../_base_/datasets/youtube_vis_2019.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_tube-link_convnext-l.py',
    '../../_base_/default_runtime.py',
]
