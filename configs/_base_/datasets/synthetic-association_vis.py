# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# python tools/dataset_converters/make_synthetic.py \
#     data/synthetic-association --size association
_base_ = './synthetic_vis.py'

data_root = 'data/synthetic-association/youtube-vis/'

train_dataloader = dict(
    # one core per run, since several runs share a machine
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root),
)
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
