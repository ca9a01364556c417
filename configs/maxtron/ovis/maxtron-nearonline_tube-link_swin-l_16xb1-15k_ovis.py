# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = [
    '../../_base_/models/maxtron-nearonline_tube-link_swin-l.py',
    '../../_base_/datasets/ovis.py',
    '../../_base_/schedules/schedule_15k.py',
    '../../_base_/schedules/adamw_swin-l.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    head=dict(segmenter=dict(num_classes=25), test_cfg=dict(clip_len=4))
)

# Keeps iteration 10000, from which the offline model starts.
default_hooks = dict(checkpoint=dict(max_keep_ckpts=6))
