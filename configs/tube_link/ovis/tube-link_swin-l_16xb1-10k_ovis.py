# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/tube-link_swin-l.py',
    '../../_base_/datasets/ovis.py',
    '../../_base_/schedules/schedule_10k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

# The reference has 4 in its dataset and the default of 5 in its head.
model = dict(
    head=dict(segmenter=dict(num_classes=25), test_cfg=dict(clip_len=4))
)
