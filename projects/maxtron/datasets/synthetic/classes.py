# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Classes, colours and categories of the synthetic benchmark."""

SYNTHETIC_THING_CLASSES = (
    'disk',
    'square',
    'triangle',
    'star',
    'cross',
    'ring',
)
SYNTHETIC_STUFF_CLASSES = ('stripes', 'checker', 'speckle', 'waves')
SYNTHETIC_THING_PALETTE = (
    (220, 20, 60),
    (0, 110, 230),
    (250, 170, 30),
    (106, 0, 228),
    (0, 170, 90),
    (230, 110, 200),
)
SYNTHETIC_STUFF_PALETTE = (
    (120, 120, 180),
    (180, 165, 180),
    (134, 160, 100),
    (70, 130, 150),
)


def thing_categories() -> list[dict]:
    """Return the categories of the YouTube-VIS format: things, ids from 1."""
    return [
        dict(id=index + 1, name=name, supercategory='object')
        for index, name in enumerate(SYNTHETIC_THING_CLASSES)
    ]


def vipseg_categories() -> list[dict]:
    """Return the categories of the VIPSeg format: stuff first, ids from 0.

    Stuff comes first so that ``category * 100 + number`` of a thing never
    equals the id of a stuff class.
    """
    names = SYNTHETIC_STUFF_CLASSES + SYNTHETIC_THING_CLASSES
    colors = SYNTHETIC_STUFF_PALETTE + SYNTHETIC_THING_PALETTE
    return [
        dict(
            id=index,
            name=name,
            isthing=int(index >= len(SYNTHETIC_STUFF_CLASSES)),
            color=list(color),
        )
        for index, (name, color) in enumerate(zip(names, colors))
    ]
