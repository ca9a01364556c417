# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Datasets of the synthetic benchmark."""

import os.path as osp

from mmdet.registry import DATASETS

from ..clip_video_dataset import ClipVideoDataset
from ..vipseg import VIPSegDataset, category_metainfo
from .classes import (
    SYNTHETIC_THING_CLASSES,
    SYNTHETIC_THING_PALETTE,
    vipseg_categories,
)


@DATASETS.register_module()
class SyntheticVISDataset(ClipVideoDataset):
    """Things of the synthetic benchmark, in YouTube-VIS format.

    ``tools/dataset_converters/make_synthetic.py`` writes the annotation files
    ``annotations/synthetic_vis_{split}.json``. See :class:`ClipVideoDataset`
    for the arguments.

    Raises:
        FileNotFoundError: If the benchmark has not been made.
    """

    METAINFO = dict(
        classes=SYNTHETIC_THING_CLASSES, palette=SYNTHETIC_THING_PALETTE
    )

    def load_data_list(self) -> list[dict]:
        """Read the annotation file, see the base class."""
        if not osp.exists(self.ann_file):
            raise FileNotFoundError(
                f'{self.ann_file} does not exist. Make the synthetic '
                'benchmark with tools/dataset_converters/make_synthetic.py '
                'OUT_DIR, or set data_root to OUT_DIR/youtube-vis.'
            )
        return super().load_data_list()


@DATASETS.register_module()
class SyntheticVPSDataset(VIPSegDataset):
    """Things and stuff of the synthetic benchmark, in VIPSeg's format.

    ``tools/dataset_converters/make_synthetic.py OUT_DIR`` writes both layouts
    into ``OUT_DIR/vipseg``. See :class:`VIPSegDataset` for the arguments.

    Raises:
        FileNotFoundError: If the benchmark has not been made.
    """

    METAINFO = category_metainfo(vipseg_categories())

    def load_data_list(self) -> list[dict]:
        """Read the videos, see the base class."""
        if not osp.exists(self.ann_file):
            raise FileNotFoundError(
                f'{self.ann_file} does not exist. Make the synthetic '
                'benchmark with tools/dataset_converters/make_synthetic.py '
                'OUT_DIR --formats vipseg, or set data_root to '
                'OUT_DIR/vipseg/VIPSeg_720P.'
            )
        return super().load_data_list()
