# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: see ../../_base_/models/vit_backbones.py.
_base_ = [
    '../../_base_/models/tube-link_dinov2-b.py',
    '../../_base_/datasets/ovis.py',
    '../../_base_/schedules/schedule_160k.py',
    '../../_base_/schedules/adamw_vit.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(dataset=dict(clip_len=5))
model = dict(head=dict(segmenter=dict(num_classes=25)))
