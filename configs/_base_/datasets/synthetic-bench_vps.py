# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# python tools/dataset_converters/make_synthetic.py \
#     data/synthetic-bench --size bench
_base_ = './synthetic-association_vps.py'

data_root = 'data/synthetic-bench/vipseg/VIPSeg_720P/'

train_dataloader = dict(dataset=dict(data_root=data_root))
# Settings are chosen on the split dev, and val is left to the final test.
val_dataloader = dict(
    dataset=dict(
        data_root=data_root, ann_file='panoptic_gt_VIPSeg_dev.json', indices=24
    )
)
test_dataloader = dict(dataset=dict(data_root=data_root))

val_evaluator = [
    dict(type='VPQMetric', windows=(1, 2, 4, 6, 12, 20)),
    dict(type='STQMetric'),
]
test_evaluator = [
    *val_evaluator,
    dict(
        type='StableIdMetric',
        scenarios='data/synthetic-bench/scenarios_val.json',
    ),
]
