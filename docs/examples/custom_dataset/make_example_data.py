# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Write eight videos in both forms: data/custom/vis and data/custom/vps.

    python docs/examples/custom_dataset/make_example_data.py data/custom

A square and a disc move over sky and grass: 12 frames of 96 x 160 pixels.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

LENGTH, HEIGHT, WIDTH = 12, 96, 160
TRAIN, VALID = ('a', 'b', 'c', 'd', 'e', 'f'), ('g', 'h')
SKY, GRASS, SQUARE, DISC = 1, 2, 300, 400  # values in the PNG
BGR = {
    SKY: (250, 190, 120),
    GRASS: (50, 140, 40),
    SQUARE: (40, 40, 200),
    DISC: (40, 210, 240),
}
CATEGORIES = [  # categories of the panoptic form, stuff first
    dict(id=1, name='sky', isthing=0, color=[90, 160, 255]),
    dict(id=2, name='grass', isthing=0, color=[60, 180, 60]),
    dict(id=3, name='square', isthing=1, color=[220, 40, 40]),
    dict(id=4, name='disc', isthing=1, color=[250, 220, 40]),
]


def draw_ids(name: str, t: int) -> np.ndarray:
    """Draw the values of a frame."""
    shift = 7 * ord(name) % 40
    ids = np.full((HEIGHT, WIDTH), SKY, np.uint16)
    ids[50 + shift // 4 :] = GRASS
    x, y = 10 + shift + 6 * t, 30 + shift // 2
    ids[y : y + 28, x : x + 28] = SQUARE
    center = (150 - shift - 7 * t, 60 - shift // 3)
    return cv2.circle(ids, center, 15, DISC, thickness=-1)


def write_frames(folder: Path, name: str) -> list:
    """Write the frames of a video and return their file names."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    names = [f'{name}/{t:05d}.jpg' for t in range(LENGTH)]
    for t, file_name in enumerate(names):
        ids = draw_ids(name, t)
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for value, color in BGR.items():
            image[ids == value] = color
        cv2.imwrite(str(folder / file_name), image)
    return names


def encode(mask: np.ndarray):
    """Encode a mask as COCO run lengths; None if it is empty."""
    rle = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    rle['counts'] = rle['counts'].decode()
    return rle if mask.any() else None


def write_vis(root: Path, split: str, names: tuple) -> None:
    """Write a split in the format of YouTube-VIS."""
    content = dict(
        categories=[dict(id=1, name='square'), dict(id=2, name='disc')],
        videos=[],
        annotations=[],
    )
    for video_id, name in enumerate(names, 1):
        file_names = write_frames(root / split / 'JPEGImages', name)
        content['videos'].append(
            dict(
                id=video_id,
                height=HEIGHT,
                width=WIDTH,
                length=LENGTH,
                file_names=file_names,
            )
        )
        for category_id, value in ((1, SQUARE), (2, DISC)):
            masks = [encode(draw_ids(name, t) == value) for t in range(LENGTH)]
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    video_id=video_id,
                    category_id=category_id,
                    iscrowd=0,
                    segmentations=masks,
                    bboxes=[
                        m and mask_utils.toBbox(m).tolist() for m in masks
                    ],
                    areas=[m and int(mask_utils.area(m)) for m in masks],
                )
            )
    (root / f'{split}.json').write_text(json.dumps(content))


def write_vps(root: Path, split: str, names: tuple) -> None:
    """Write a split in the format of VIPSeg."""
    for name in names:
        write_frames(root / 'imgs', name)
        (root / 'panomasks' / name).mkdir(parents=True, exist_ok=True)
        for t in range(LENGTH):
            path = root / 'panomasks' / name / f'{t:05d}.png'
            cv2.imwrite(str(path), draw_ids(name, t))
    (root / f'{split}.txt').write_text('\n'.join(names) + '\n')
    (root / 'categories.json').write_text(json.dumps(CATEGORIES))


if __name__ == '__main__':
    out = Path(sys.argv[1])
    write_vis(out / 'vis', 'train', TRAIN)
    write_vis(out / 'vis', 'valid', VALID)
    write_vps(out / 'vps', 'train', TRAIN)
    write_vps(out / 'vps', 'val', VALID)
