# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: the settings of VIPSeg with other data.
_base_ = [
    '../../_base_/models/maxtron-offline_video-kmax_swin-l.py',
    '../../_base_/datasets/cityscapes_vps.py',
    '../../_base_/schedules/schedule_kmax_15k.py',
    '../../_base_/schedules/adamw_video-kmax_offline.py',
    '../../_base_/kmax_offline_runtime.py',
]

model = _base_.panoptic
# 6 clips of 2
train_dataloader = dict(batch_size=1, dataset=dict(clip_len=12))

load_from = (
    'work_dirs/maxtron-nearonline_video-kmax_swin-l_8xb4-15k_cityscapes-vps/'
    'iter_15000.pth'
)
