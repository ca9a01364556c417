# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './kmax_convnext-l_8xb8-150k_coco-panoptic.py'

# MaXTron's within-clip module without its temporal layers
model = dict(
    neck=dict(
        type='AxialTrajectoryNeck',
        in_channels=_base_.model.head.segmenter.in_channels,
        num_blocks=2,
        num_spatial_layers=1,
        temporal_cfg=None,
    )
)
