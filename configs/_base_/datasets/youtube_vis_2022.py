# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
# Training uses the videos of 2021; the training set of 2022 is the same. The
# configs of the reference also *test* on the paths of 2021; here they are the
# paths of 2022.
_base_ = './youtube_vis_2021.py'

data_root = 'data/youtube_vis_2022/'

val_dataloader = dict(
    dataset=dict(
        dataset_version='2022',
        data_root=data_root,
        ann_file='annotations/youtube_vis_2022_valid.json',
    )
)
test_dataloader = val_dataloader

# With annotations, give val_evaluator the list long_videos, or
# short_videos='data/youtube_vis_2021/annotations/youtube_vis_2021_valid.json',
# to get the values of long and short videos and their mean.
