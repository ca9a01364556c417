# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cityscapes-VPS, panoptic segmentation of videos with sparse labels."""

from mmdet.registry import DATASETS

from ..structures import category_metainfo
from .cityscapes_categories import cityscapes_categories
from .vipseg import VIPSegDataset


@DATASETS.register_module()
class CityscapesVPSDataset(VIPSegDataset):
    """Cityscapes-VPS, listed by ``cityscapes_vps_to_720p.py``.

    Every fifth frame is annotated. A sample of training has annotated frames
    only. In a test, frames without annotations have ``seg_map_path`` None; use
    metrics with ``sparse=True``. See :class:`VIPSegDataset` for the arguments
    and the layout.
    """

    METAINFO = dict(
        category_metainfo(
            cityscapes_categories(
                (
                    'person',
                    'rider',
                    'car',
                    'truck',
                    'bus',
                    'train',
                    'motorcycle',
                    'bicycle',
                )
            )
        ),
        first_is_crowd=False,
    )
    IS_SPARSE = True
