# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The 19 classes of Cityscapes, which other benchmarks of streets share."""

from collections.abc import Collection

# Name, RGB colour. The label is the position.
_TABLE = (
    ('road', (128, 64, 128)),
    ('sidewalk', (244, 35, 232)),
    ('building', (70, 70, 70)),
    ('wall', (102, 102, 156)),
    ('fence', (190, 153, 153)),
    ('pole', (153, 153, 153)),
    ('traffic light', (250, 170, 30)),
    ('traffic sign', (220, 220, 0)),
    ('vegetation', (107, 142, 35)),
    ('terrain', (152, 251, 152)),
    ('sky', (70, 130, 180)),
    ('person', (220, 20, 60)),
    ('rider', (255, 0, 0)),
    ('car', (0, 0, 142)),
    ('truck', (0, 0, 70)),
    ('bus', (0, 60, 100)),
    ('train', (0, 80, 100)),
    ('motorcycle', (0, 0, 230)),
    ('bicycle', (119, 11, 32)),
)


def cityscapes_categories(things: Collection[str]) -> list[dict]:
    """Make the table of categories.

    Args:
        things (Collection[str]): Names of the thing classes.

    Returns:
        list[dict]: ``id``, ``name``, ``isthing`` and ``color``, by label.
    """
    return [
        dict(id=i, name=name, isthing=int(name in things), color=list(color))
        for i, (name, color) in enumerate(_TABLE)
    ]
