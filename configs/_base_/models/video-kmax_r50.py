# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# kMaX-DeepLab's hyper-parameters, on clips of two frames: Video-kMaX.
model = dict(
    type='MaXTron',
    data_preprocessor=dict(
        type='PanopticClipPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
        input_size=(769, 1345),
    ),
    # No ImageNet init_cfg: load_from brings every tensor of the backbone.
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01, requires_grad=True),
        norm_eval=False,
        zero_init_residual=False,
    ),
    head=dict(
        type='MaXTronPanopticHead',
        segmenter=dict(
            type='VideoKMaXHead',
            num_classes=124,
            in_channels=[256, 512, 1024, 2048],
            num_queries=128,
            pixel_decoder=dict(type='KMaXPixelDecoder'),
            transformer_decoder=dict(
                type='KMaXTransformerDecoder', drop_path_rate=0.2
            ),
            semantic_head=dict(type='KMaXSemanticHead'),
            # Matching is by SimilarityMatcher, once for all outputs.
            criterion=dict(
                type='KMaXCriterion',
                loss_cls=dict(type='PQClassLoss', loss_weight=4.0),
                loss_mask=dict(type='TubeCrossEntropyLoss', loss_weight=0.1),
                loss_dice=dict(type='TubeDiceLoss', loss_weight=5.0),
                loss_pixel=dict(
                    type='PixelInstanceLoss',
                    sampler=dict(
                        type='GumbelPixelSampler',
                        num_points=4096,
                        temperature=1.8,
                    ),
                    temperature=0.3,
                    loss_weight=1.0,
                ),
                loss_semantic=dict(
                    type='AuxiliarySemanticLoss',
                    sampler=dict(
                        type='GumbelPixelSampler',
                        num_points=4096,
                        temperature=2.4,
                    ),
                    loss_weight=1.0,
                ),
            ),
        ),
        test_cfg=dict(
            clip_len=2,  # as in training, train_dataloader.dataset.clip_len
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
            pixel_thr=0.3,
            thing_thr=0.2,
            stuff_thr=0.3,
            overlap_thr=0.8,
        ),
    ),
)

# Initial weights of the reference's models: kMaX-DeepLab for COCO (133
# classes, so cls_embed and conv_seg start from random weights). Train it with
# configs/kmax/coco/, or convert a released checkpoint with
# tools/model_converters/reference_to_maxtron.py.
load_from = 'checkpoints/kmax_r50_coco-panoptic.pth'
