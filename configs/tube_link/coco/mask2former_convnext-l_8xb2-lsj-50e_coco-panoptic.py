# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Not in the reference: MMDetection's config for ResNet-50 with another
# backbone.
_base_ = [
    'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py',
    '../../_base_/models/convnext_weights.py',
    '../../_base_/schedules/convnext_rules.py',
]

custom_imports = dict(imports=['projects.maxtron'])
model = dict(
    backbone=dict(
        _delete_=True,
        type='ConvNeXt',
        arch='large',
        drop_path_rate=0.3,
        extra_padding=False,
        init_cfg=_base_.convnext_l,
    ),
    panoptic_head=dict(in_channels=[192, 384, 768, 1536]),
)
optim_wrapper = dict(
    constructor='SeparateMultOptimWrapperConstructor',
    paramwise_cfg=_base_.convnext_rules,
)
