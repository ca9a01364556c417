# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""OVIS."""

from mmdet.registry import DATASETS

from .clip_video_dataset import ClipVideoDataset


@DATASETS.register_module()
class OVISDataset(ClipVideoDataset):
    """OVIS, occluded video instance segmentation, with 25 classes.

    Categories are matched by name, so the names are spelled as in the
    annotation files (including 'Vehical').
    """

    METAINFO = dict(
        classes=(
            'Person',
            'Bird',
            'Cat',
            'Dog',
            'Horse',
            'Sheep',
            'Cow',
            'Elephant',
            'Bear',
            'Zebra',
            'Giraffe',
            'Poultry',
            'Giant_panda',
            'Lizard',
            'Parrot',
            'Monkey',
            'Rabbit',
            'Tiger',
            'Fish',
            'Turtle',
            'Bicycle',
            'Motorcycle',
            'Airplane',
            'Boat',
            'Vehical',
        )
    )
