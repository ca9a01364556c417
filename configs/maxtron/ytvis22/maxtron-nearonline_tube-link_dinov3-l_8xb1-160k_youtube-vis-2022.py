# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Ours, never trained: as for DINOv2-B.
_base_ = [
    './maxtron-nearonline_tube-link_dinov2-b_8xb1-160k_youtube-vis-2022.py'
]

model = dict(backbone=_base_.dinov3_l)
