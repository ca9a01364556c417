# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Things alone: track AP of panoptic models (tools/misc/compare_stages.py).
_base_ = './synthetic-association_vis.py'

data_root = 'data/synthetic-bench/youtube-vis/'

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
