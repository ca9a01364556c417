# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: VIPSeg for Tube-Link, which requires sides that are
# multiples of 32 and masks at full size, and has no copy-paste.
_base_ = './vipseg_no-paste.py'

canvas = (1344, 768)  # width, height; the model's input_size is its reverse
train_pipeline = _base_.train_pipeline
train_pipeline[1].transforms[-2].canvas = canvas
train_pipeline[2].transforms[-1].canvas = canvas
train_pipeline[3].stride = 1
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=train_pipeline))

# Changes to the model. The thresholds are from MMDetection's Mask2Former for
# panoptic segmentation.
panoptic = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='PanopticClipPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        input_size=canvas[::-1],
    ),
    head=dict(
        type='MaXTronPanopticHead',
        segmenter=dict(num_classes=124),
        test_cfg=dict(
            _delete_=True,
            clip_len=2,
            thing_labels=[
                2,
                4,
                8,
                10,
                41,
                43,
                44,
                46,
                47,
                48,
                49,
                50,
                51,
                52,
                54,
                55,
                56,
                60,
                61,
                62,
                63,
                64,
                65,
                72,
                74,
                76,
                77,
                78,
                79,
                82,
                83,
                84,
                85,
                86,
                87,
                88,
                89,
                90,
                91,
                92,
                95,
                96,
                97,
                99,
                100,
                101,
                102,
                106,
                107,
                108,
                109,
                114,
                115,
                116,
                117,
                118,
                122,
                123,
            ],
            pixel_thr=0.5,
            thing_thr=0.8,
            stuff_thr=0.8,
            overlap_thr=0.8,
        ),
    ),
)
