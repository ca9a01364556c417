# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = (
    '../../tube_link/ytvis21/tube-link_swin-l_16xb1-10k_youtube-vis-2021.py'
)

model = dict(
    head=dict(segmenter=dict(type='Mask2FormerClipHead', num_queries=200))
)
load_from = (
    'https://download.openmmlab.com/mmdetection/v3.0/mask2former_vis/'
    'mask2former_swin-l-p4-w12-384-in21k_8xb2-8e_youtubevis2021/'
    'mask2former_swin-l-p4-w12-384-in21k_8xb2-8e_youtubevis2021_'
    '20220907_124752-48252603.pth'
)
