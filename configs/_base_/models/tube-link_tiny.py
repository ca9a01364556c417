# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Small enough to be trained from scratch on two CPU cores.
_base_ = './tube-link_r50.py'

attn_cfg = dict(embed_dims=64, num_heads=4)
model = dict(
    backbone=dict(
        depth=18,
        base_channels=24,
        stem_channels=24,
        # the batches are too small for statistics
        norm_cfg=dict(type='GN', num_groups=8),
    ),
    head=dict(
        segmenter=dict(
            in_channels=[24, 48, 96, 192],
            feat_channels=64,
            out_channels=64,
            num_queries=20,
            pixel_decoder=dict(
                encoder=dict(
                    num_layers=2,
                    layer_cfg=dict(
                        self_attn_cfg=attn_cfg,
                        ffn_cfg=dict(embed_dims=64, feedforward_channels=128),
                    ),
                ),
                positional_encoding=dict(num_feats=32),
            ),
            positional_encoding=dict(num_feats=32),
            transformer_decoder=dict(
                num_layers=3,
                layer_cfg=dict(
                    self_attn_cfg=attn_cfg,
                    cross_attn_cfg=attn_cfg,
                    ffn_cfg=dict(embed_dims=64, feedforward_channels=256),
                ),
            ),
            train_cfg=dict(num_points=1024),
        ),
        test_cfg=dict(clip_len=3),
    ),
)
load_from = None
