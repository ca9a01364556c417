# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './tube-link_r50.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        pretrain_img_size=384,
        embed_dims=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
        window_size=12,
        drop_path_rate=0.3,
        with_cp=True,
    ),
    head=dict(segmenter=dict(in_channels=[192, 384, 768, 1536])),
)

# COCO panoptic, for MMDetection's zoo has no Swin-L instance model. It has
# 200 queries and we, as the reference, have 100: query_embed, query_feat and
# cls_embed do not fit and start at random; all else is loaded.
load_from = (
    'https://download.openmmlab.com/mmdetection/v3.0/mask2former/'
    'mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic/'
    'mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic_'
    '20220407_104949-82f8d28d.pth'
)
