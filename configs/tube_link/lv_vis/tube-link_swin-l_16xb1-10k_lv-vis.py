# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of YouTube-VIS 2021 with other data.
_base_ = [
    '../../_base_/models/tube-link_swin-l.py',
    '../../_base_/datasets/lv_vis.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

model = dict(head=dict(segmenter=dict(num_classes=1196)))
