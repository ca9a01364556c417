# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: see ../../_base_/models/vit_backbones.py.
_base_ = [
    '../../_base_/models/maxtron-offline_video-kmax_dinov2-b.py',
    '../../_base_/datasets/vipseg_24frames.py',
    '../../_base_/schedules/schedule_kmax_15k.py',
    '../../_base_/schedules/adamw_vit.py',
    '../../_base_/kmax_offline_runtime.py',
]

auto_scale_lr = dict(base_batch_size=16)
