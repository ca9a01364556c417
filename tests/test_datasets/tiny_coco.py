# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A tiny COCO dataset on disk, in the official formats."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import CocoPanopticDataset
from pycocotools import mask as mask_utils

# Ids of COCO's categories, in the order of the classes.
IDS = [
    *(
        i
        for i in range(1, 91)
        if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
    ),
    *(92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138),
    *(141, 144, 145, 147, 148, 149, 151, 154, 155, 156, 159, 161, 166, 168),
    *(171, 175, 176, 177, 178, 180, 181),
    *range(184, 201),
]
CLASSES = CocoPanopticDataset.METAINFO['classes']
NUM_THINGS = 80
# Classes and colours (BGR) of the letters of a drawing. c is a crowd, a dot is
# void.
LABELS = {
    letter: CLASSES.index(name)
    for letter, name in dict(
        s='sky-other-merged',
        g='grass-merged',
        p='person',
        q='person',
        c='person',
        d='dog',
        k='cat',
    ).items()
}
COLORS = dict(
    s=(255, 255, 255),
    g=(0, 255, 0),
    p=(0, 0, 255),
    q=(255, 0, 0),
    c=(255, 0, 255),
    d=(0, 255, 255),
    k=(255, 255, 0),
)
COLORS['.'] = (0, 0, 0)
# A letter has 16 x 16 pixels: whole blocks of a JPEG with full colour
# resolution, so that edges are not blurred.
BLOCK = 16
JPEG = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
PICTURES = (
    'ssssss sppsqs gppgqg gggg..',
    'ssssss ssddss ggddgg gggggg',
    'ssssss spsqss gpgqgg gggggg',
)
# true, with all persons of the third picture in a crowd
TRUTH = (*PICTURES[:2], 'ssssss scscss gcgcgg gggggg')


def letters(drawing: str) -> np.ndarray:
    """Expand a drawing to the letter of each pixel, shape (64, 96)."""
    blocks = np.array([list(row) for row in drawing.split()])
    return blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)


def _letters_of(drawing: str) -> list[str]:
    """List the letters of the segments of a drawing."""
    return sorted(set(drawing) - {'.', ' '})


def _paint(drawing: str) -> np.ndarray:
    """Paint a picture in the colours of the letters, BGR."""
    image = letters(drawing)
    out = np.zeros((*image.shape, 3), np.uint8)
    for letter, color in COLORS.items():
        out[image == letter] = color
    return out


def _segments(drawing: str) -> list:
    """Make ``segments_info`` of a drawing, with the ids of the colours."""
    image, infos = letters(drawing), []
    for letter in _letters_of(drawing):
        mask = image == letter
        rows, columns = np.nonzero(mask)
        x, y = int(columns.min()), int(rows.min())
        infos.append(
            dict(
                id=int(np.dot(COLORS[letter][::-1], (1, 256, 65536))),
                category_id=IDS[LABELS[letter]],
                iscrowd=int(letter == 'c'),
                bbox=[
                    x,
                    y,
                    int(columns.max()) - x + 1,
                    int(rows.max()) - y + 1,
                ],
                area=int(mask.sum()),
            )
        )
    return infos


def write_coco(root: Path, truth: Sequence[str] = TRUTH) -> None:
    """Write pictures and annotations, the same for training and validation.

    Args:
        root (Path): Folder in place of ``data/coco``.
        truth (Sequence[str]): Annotated drawings of :data:`PICTURES`.
    """
    content = dict(
        images=[],
        annotations=[],
        categories=[
            dict(id=i, name=name, supercategory='', isthing=int(i < 91))
            for i, name in zip(IDS, CLASSES)
        ],
    )
    for split in ('train2017', 'val2017'):
        (root / split).mkdir(parents=True)
        (root / 'annotations' / f'panoptic_{split}').mkdir(parents=True)
    for i, (drawn, true) in enumerate(zip(PICTURES, truth), 1):
        name, image = f'{i:012d}', _paint(drawn)
        content['images'].append(
            dict(
                id=i,
                file_name=f'{name}.jpg',
                height=len(image),
                width=len(image[0]),
            )
        )
        content['annotations'].append(
            dict(
                image_id=i,
                file_name=f'{name}.png',
                segments_info=_segments(true),
            )
        )
        for split in ('train2017', 'val2017'):
            maps = root / 'annotations' / f'panoptic_{split}'
            assert cv2.imwrite(str(root / split / f'{name}.jpg'), image, JPEG)
            assert cv2.imwrite(str(maps / f'{name}.png'), _paint(true))
    for kind, annotations in (
        ('panoptic', content['annotations']),
        ('instances', _instances(truth)),
    ):
        text = json.dumps(dict(content, annotations=annotations))
        for split in ('train2017', 'val2017'):
            path = root / 'annotations' / f'{kind}_{split}.json'
            path.write_text(text)


def _instances(truth: Sequence[str]) -> list:
    """Make the annotations of the things, each with a mask."""
    found = []
    for i, drawing in enumerate(truth, 1):
        for letter, info in zip(_letters_of(drawing), _segments(drawing)):
            if LABELS[letter] >= NUM_THINGS:
                continue
            mask = np.asfortranarray(letters(drawing) == letter, np.uint8)
            rle = mask_utils.encode(mask)
            rle['counts'] = rle['counts'].decode()
            number = len(found) + 1
            found.append(dict(info, id=number, image_id=i, segmentation=rle))
    return found
