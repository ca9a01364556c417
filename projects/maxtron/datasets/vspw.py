# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VSPW, video semantic segmentation in the wild."""

from mmdet.registry import DATASETS

from ..structures import category_metainfo
from .vipseg import VIPSegDataset
from .vipseg_categories import VIPSEG_CATEGORIES


@DATASETS.register_module()
class VSPWDataset(VIPSegDataset):
    """VSPW, read as it is published.

    The layout of VSPW_480p::

        data/{video}/origin/{frame}.jpg
        data/{video}/mask/{frame}.png       class + 1; 0 and 255 are void
        train.txt, val.txt, test.txt        names of the videos

    The 124 classes are those of VIPSeg, which is made from VSPW. None is a
    thing: a class is one segment of a video. See :class:`VIPSegDataset` for
    the arguments.

    Raises:
        FileNotFoundError: If a frame of an annotated video has no mask.
    """

    METAINFO = category_metainfo(
        [dict(c, isthing=0) for c in VIPSEG_CATEGORIES]
    )
    PREFIXES = {
        **VIPSegDataset.PREFIXES,
        '.txt': dict(img_path='data/{}/origin', seg_map_path='data/{}/mask'),
    }
    IS_DENSE = True
