# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Small enough to be trained from scratch on two CPU cores.
_base_ = './video-kmax_r50.py'

# running statistics that keep up with a short training
norm_cfg = dict(type='BN', eps=1e-3, momentum=0.1)
model = dict(
    # a pixel more than the frames have: sides of 32 k + 1 fit all strides
    data_preprocessor=dict(input_size=(97, 161)),
    backbone=dict(
        depth=18, base_channels=24, stem_channels=24, norm_cfg=norm_cfg
    ),
    head=dict(
        segmenter=dict(
            num_classes=10,
            in_channels=[24, 48, 96, 192],
            num_queries=24,
            pixel_decoder=dict(
                base_channels=(32, 32, 16, 16),
                num_blocks=(1, 1, 1, 1),
                num_heads=4,
                max_length=64,
                norm_cfg=norm_cfg,
            ),
            transformer_decoder=dict(
                in_channels=(128, 128, 64),
                mask_channels=64,
                num_layers=(1, 1, 1),
                embed_dims=64,
                key_channels=32,
                out_channels=32,
                feedforward_channels=256,
                num_heads=4,
                drop_path_rate=0.0,
                norm_cfg=norm_cfg,
            ),
            semantic_head=dict(
                channels=32,
                low_level_channels=(32, 16),
                dilations=(2, 4),
                norm_cfg=norm_cfg,
            ),
            criterion=dict(
                # of what does not wait for good classes or good masks
                loss_mask=dict(loss_weight=1.0),
                loss_pixel=dict(sampler=dict(num_points=512)),
                # more stuff pixels than of the temperature 2.4
                loss_semantic=dict(
                    sampler=dict(num_points=512, temperature=1.0)
                ),
            ),
        ),
        test_cfg=dict(
            thing_labels=[4, 5, 6, 7, 8, 9], thing_thr=0.1, stuff_thr=0.1
        ),
    ),
)
load_from = None
