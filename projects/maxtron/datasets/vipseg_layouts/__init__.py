# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Readers of the two layouts of VIPSeg on disk.

720P, which the reference trains and tests on::

    images/{video}/{frame}.jpg
    panomasksRGB/{video}/{frame}.png    id = R + 256 G + 65536 B
    panoptic_gt_VIPSeg_{split}.json     category of every id

Raw, as released::

    imgs/{video}/{frame}.jpg
    panomasks/{video}/{frame}.png       16 bit, class and instance
    {split}.txt                         names of the videos
    categories.json                     the classes, unless they are VIPSeg's

In both layouts, {video} and {frame} may contain folders.
"""

from .layout_720p import Layout720P
from .layout_raw import LayoutRaw
from .listing import list_frames, read_category_ids, read_video_names

__all__ = [
    'Layout720P',
    'LayoutRaw',
    'list_frames',
    'read_category_ids',
    'read_video_names',
]
