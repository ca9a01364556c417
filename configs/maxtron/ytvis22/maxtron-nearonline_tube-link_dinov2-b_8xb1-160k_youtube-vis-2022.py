# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: see ../../_base_/models/vit_backbones.py.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_dinov2-b.py',
    '../../_base_/datasets/youtube_vis_2022.py',
    '../../_base_/schedules/schedule_160k.py',
    '../../_base_/schedules/adamw_vit.py',
    '../../_base_/default_runtime.py',
]
