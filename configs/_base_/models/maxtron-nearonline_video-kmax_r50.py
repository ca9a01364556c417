# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './video-kmax_r50.py'

# N_w = 2 blocks of one MSDeformAttn and two axial-trajectory layers. drop is
# "ATTN_DROP" of the reference: it drops outputs of the attention.
model = dict(
    neck=dict(
        type='AxialTrajectoryNeck',
        in_channels=_base_.model.head.segmenter.in_channels,
        num_blocks=2,
        num_spatial_layers=1,
        temporal_cfg=dict(
            num_layers=2, attn_type='axial_trajectory', drop=0.0
        ),
    )
)

# kMaX-DeepLab with the MSDeformAttn layers, see ./video-kmax_r50.py. Temporal
# layers and their level encoding start from random weights.
load_from = 'checkpoints/kmax-msda_r50_coco-panoptic.pth'
