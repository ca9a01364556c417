# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# MMDetection's Mask2Former for YouTube-VIS 2021. MMDetection makes one clip of
# a whole video; here clips have 5 frames and their tubes are linked.
_base_ = '../../tube_link/ytvis21/tube-link_r50_8xb1-15k_youtube-vis-2021.py'

model = dict(head=dict(segmenter=dict(type='Mask2FormerClipHead')))
load_from = (
    'https://download.openmmlab.com/mmdetection/v3.0/mask2former_vis/'
    'mask2former_r50_8xb2-8e_youtubevis2021/'
    'mask2former_r50_8xb2-8e_youtubevis2021_20230426_131833-5d215283.pth'
)
