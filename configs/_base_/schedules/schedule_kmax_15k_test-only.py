# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './schedule_kmax_15k.py'

# The ground truth of the validation sets of instances is not public: as
# schedule_15k.py, this writes one submission at the end.
train_cfg = dict(val_interval=15001)
