# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# As long as the training of LVMT on YouTube-VIS and OVIS, with the decay of
# kMaX. Nothing is validated in between, see schedule_15k.py.
_base_ = './schedule_kmax_40k.py'

train_cfg = dict(max_iters=160000, val_interval=160001)
