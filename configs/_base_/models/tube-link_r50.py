# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Mask2Former's hyper-parameters, seen clip-wise: one query is one tube.
model = dict(
    type='MaXTron',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
    # No ImageNet init_cfg: load_from brings every tensor of the backbone.
    # As in the reference, BN uses its running statistics but its affine
    # parameters are trained (MMDetection's VIS configs freeze them).
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
    ),
    head=dict(
        type='MaXTronHead',
        segmenter=dict(
            type='TubeLinkHead',
            num_classes=40,
            in_channels=[256, 512, 1024, 2048],
            feat_channels=256,
            out_channels=256,
            num_queries=100,
            num_transformer_feat_level=3,
            pixel_decoder=dict(
                type='MSDeformAttnPixelDecoder',
                num_outs=3,
                encoder=dict(  # DeformableDetrTransformerEncoder
                    num_layers=6,
                    layer_cfg=dict(
                        self_attn_cfg=dict(  # MultiScaleDeformableAttention
                            embed_dims=256,
                            num_heads=8,
                            num_levels=3,
                            num_points=4,
                            dropout=0.0,
                        ),
                        ffn_cfg=dict(
                            embed_dims=256, feedforward_channels=1024
                        ),
                    ),
                ),
                positional_encoding=dict(num_feats=128, normalize=True),
            ),
            positional_encoding=dict(
                type='SinePositionalEncoding3D', num_feats=128, normalize=True
            ),
            transformer_decoder=dict(  # Mask2FormerTransformerDecoder
                num_layers=9,
                layer_cfg=dict(
                    self_attn_cfg=dict(embed_dims=256, num_heads=8),
                    cross_attn_cfg=dict(embed_dims=256, num_heads=8),
                    ffn_cfg=dict(embed_dims=256, feedforward_channels=2048),
                ),
            ),
            loss_cls=dict(type='CrossEntropyLoss', loss_weight=2.0),
            no_object_weight=0.1,  # where all classes have 1
            loss_mask=dict(
                type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
            ),
            loss_dice=dict(
                type='DiceLoss', naive_dice=True, eps=1.0, loss_weight=5.0
            ),
            train_cfg=dict(
                num_points=12544,  # in the whole tube, not in each frame
                oversample_ratio=3.0,
                importance_sample_ratio=0.75,
                assigner=dict(
                    type='HungarianAssigner',
                    match_costs=[
                        dict(type='ClassificationCost', weight=2.0),
                        dict(
                            type='CrossEntropyLossCost',
                            weight=5.0,
                            use_sigmoid=True,
                        ),
                        dict(
                            type='DiceCost', weight=5.0, pred_act=True, eps=1.0
                        ),
                    ],
                ),
                sampler=dict(type='MaskPseudoSampler'),
            ),
        ),
        # Frames of a clip at test time; the same number as in training,
        # train_dataloader.dataset.clip_len.
        test_cfg=dict(clip_len=5, max_per_video=100, max_per_frame=30),
    ),
)

# MMDetection's COCO instance model (80 classes: cls_embed starts anew). The
# host is the one in MMDetection's metafile.yml, of OpenMMLab and OneDL alike;
# OneDL keeps a mirror with the same path at https://mmassets.onedl.ai.
load_from = (
    'https://download.openmmlab.com/mmdetection/v3.0/mask2former/'
    'mask2former_r50_8xb2-lsj-50e_coco/'
    'mask2former_r50_8xb2-lsj-50e_coco_20220506_191028-41b088b6.pth'
)
