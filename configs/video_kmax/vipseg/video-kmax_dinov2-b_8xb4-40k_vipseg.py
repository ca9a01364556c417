# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: see ../../_base_/models/vit_backbones.py.
_base_ = [
    '../../_base_/models/video-kmax_dinov2-b.py',
    '../../_base_/datasets/vipseg.py',
    '../../_base_/schedules/schedule_kmax_40k.py',
    '../../_base_/schedules/adamw_vit.py',
    '../../_base_/kmax_runtime.py',
]

auto_scale_lr = dict(base_batch_size=32)
