# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
_base_ = './mask2former_r50_youtube-vis-2021.py'

model = dict(backbone=dict(depth=101))
load_from = (
    'https://download.openmmlab.com/mmdetection/v3.0/mask2former_vis/'
    'mask2former_r101_8xb2-8e_youtubevis2021/'
    'mask2former_r101_8xb2-8e_youtubevis2021_20220823_092747-8077d115.pth'
)
