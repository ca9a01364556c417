# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: as for DINOv2-B.
_base_ = './maxtron-offline_video-kmax_dinov2-b_16xb1-15k_vipseg.py'

model = dict(backbone=_base_.dinov2_l)
load_from = _base_.load_from.replace('dinov2-b', 'dinov2-l')
