# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './adamw_video-kmax.py'

# 16 GPUs x 1 video
auto_scale_lr = dict(base_batch_size=16)
