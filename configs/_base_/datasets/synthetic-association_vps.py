# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# python tools/dataset_converters/make_synthetic.py \
#     data/synthetic-association --size association
_base_ = './synthetic_vps.py'

data_root = 'data/synthetic-association/vipseg/VIPSeg_720P/'

train_dataloader = dict(
    batch_size=4,
    # one core per run, since several runs share a machine
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root),
)
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
