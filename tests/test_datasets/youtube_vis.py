# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny videos as a dataset."""

import projects.maxtron  # noqa: F401

from mmdet.registry import DATASETS

from tests.test_datasets.tiny_videos import CLASSES

T = 3


def build(root, pipeline=(dict(type='ClipSampler'),), **kwargs):
    """Build a dataset of the tiny videos."""
    cfg = dict(
        type='YouTubeVISClipDataset',
        dataset_version='2021',
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=CLASSES),
        clip_len=T,
        serialize_data=False,  # faster for a few frames
        pipeline=list(pipeline),
    )
    cfg.update(kwargs)
    return DATASETS.build(cfg)
