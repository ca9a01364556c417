# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# COCO panoptic, only for the evaluation of a model of images. The frames of
# a video get the same size.
_base_ = './coco_instance_test.py'

test_dataloader = dict(
    dataset=dict(
        type='CocoPanopticDataset',
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(seg='annotations/panoptic_val2017/'),
    )
)
# needs the package panopticapi: pip install --no-deps panopticapi-lite
test_evaluator = dict(
    _delete_=True,
    type='CocoPanopticMetric',
    ann_file=_base_.data_root + 'annotations/panoptic_val2017.json',
    seg_prefix=_base_.data_root + 'annotations/panoptic_val2017/',
    backend_args=_base_.backend_args,
)

# Changes to the model: 80 things before 53 stuff classes, and MMDetection's
# fusion with object_mask_thr=0.8, iou_thr=0.8 and filter_low_score=True.
panoptic = dict(
    head=dict(
        type='MaXTronPanopticHead',
        segmenter=dict(num_classes=133),
        test_cfg=dict(
            _delete_=True,
            clip_len=1,
            segment_decision='per_clip',
            merge_rule='maskformer',
            thing_labels=list(range(80)),
            pixel_thr=0.5,
            thing_thr=0.8,
            stuff_thr=0.8,
            overlap_thr=0.8,
        ),
    )
)
