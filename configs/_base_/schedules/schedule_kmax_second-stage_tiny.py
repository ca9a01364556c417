# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './schedule_kmax_tiny.py'

param_scheduler = [dict(type='WarmupPolyLR', warmup_iters=20, by_epoch=False)]
