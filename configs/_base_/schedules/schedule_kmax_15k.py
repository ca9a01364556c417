# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './schedule_kmax_40k.py'

param_scheduler = [dict(type='WarmupPolyLR', warmup_iters=750, by_epoch=False)]
train_cfg = dict(max_iters=15000)
