# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""KITTI-STEP, segmentation and tracking of every pixel."""

from mmdet.registry import DATASETS

from ..structures import category_metainfo
from .cityscapes_categories import cityscapes_categories
from .vipseg import VIPSegDataset

KITTI_STEP_CATEGORIES = cityscapes_categories(('person', 'car'))


@DATASETS.register_module()
class KITTISTEPDataset(VIPSegDataset):
    """KITTI-STEP, converted by ``tools/dataset_converters/step_to_720p.py``.

    The classes are those of Cityscapes. Only persons and cars are things,
    because only they are tracked. See :class:`VIPSegDataset` for the arguments
    and the layout.
    """

    METAINFO = dict(
        category_metainfo(KITTI_STEP_CATEGORIES), first_is_crowd=False
    )
