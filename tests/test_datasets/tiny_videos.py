# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A tiny dataset on disk, in the original format of YouTube-VIS."""

import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tools.dataset_converters.youtube_vis_to_coco import convert

CLASSES = ('cat', 'dog', 'owl')
# name -> (height, width, tracks); a track: class id, box (x, y, w, h) at frame
# 0, step in x per frame, and the frames in which the object is visible
VIDEOS = dict(
    landscape=(
        64,
        96,
        [
            (1, (8, 8, 30, 40), 2, (0, 1, 2, 3, 4, 5, 6)),
            (3, (50, 20, 20, 24), 3, (2, 3, 4, 5, 6)),
        ],
    ),
    portrait=(96, 64, [(2, (10, 40, 24, 32), 4, (0, 1, 3, 4))]),
)
NUM_FRAMES = dict(landscape=7, portrait=6)


def draw_masks(name: str, t: int) -> list:
    """Draw the masks of the objects in a frame, (class id, array or None)."""
    height, width, tracks = VIDEOS[name]
    masks = []
    for cat_id, (x, y, w, h), step, visible in tracks:
        mask = np.zeros((height, width), np.uint8)
        mask[y : y + h, x + step * t : x + step * t + w] = 1
        masks.append((cat_id, mask if t in visible else None))
    return masks


def draw_frame(name: str, t: int) -> np.ndarray:
    """Draw an image: blue encodes the mask, green and red the position."""
    height, width, _ = VIDEOS[name]
    img = np.zeros((height, width, 3), np.uint8)
    img[..., 1] = 2 * np.arange(height)[:, None]
    img[..., 2] = 2 * np.arange(width)
    for _, mask in draw_masks(name, t):
        if mask is not None:
            img[..., 0] |= 255 * mask
    return img


def original_annotations(classes=CLASSES, suffix: str = '.png') -> dict:
    """Make annotations by instance, in the published format."""
    content = dict(
        categories=[dict(id=i + 1, name=c) for i, c in enumerate(classes)],
        videos=[],
        annotations=[],
    )
    for video_id, (name, (height, width, tracks)) in enumerate(
        VIDEOS.items(), start=1
    ):
        length = NUM_FRAMES[name]
        content['videos'].append(
            dict(
                id=video_id,
                height=height,
                width=width,
                length=length,
                file_names=[f'{name}/{t:05d}{suffix}' for t in range(length)],
            )
        )
        frames = [draw_masks(name, t) for t in range(length)]
        for k, (cat_id, *_) in enumerate(tracks):
            rles = [_encode(frame[k][1]) for frame in frames]
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    video_id=video_id,
                    category_id=cat_id,
                    iscrowd=0,
                    segmentations=rles,
                    bboxes=[
                        None if r is None else mask_utils.toBbox(r).tolist()
                        for r in rles
                    ],
                    areas=[
                        None if r is None else int(mask_utils.area(r))
                        for r in rles
                    ],
                )
            )
    return content


def _encode(mask):
    if mask is None:
        return None
    rle = mask_utils.encode(np.asfortranarray(mask))
    return dict(size=list(rle['size']), counts=rle['counts'].decode())


def write_dataset(
    root: Path,
    images: str = 'train/JPEGImages',
    ann_file: str = 'train.json',
    classes=CLASSES,
    suffix: str = '.png',
    with_annotations: bool = True,
) -> dict:
    """Write frames and converted annotations; return the latter."""
    for name, length in NUM_FRAMES.items():
        folder = root / images / name
        folder.mkdir(parents=True, exist_ok=True)
        for t in range(length):
            cv2.imwrite(str(folder / f'{t:05d}{suffix}'), draw_frame(name, t))
    content = convert(original_annotations(classes, suffix), with_annotations)
    (root / ann_file).parent.mkdir(parents=True, exist_ok=True)
    (root / ann_file).write_text(json.dumps(content))
    return content


def move_frames_deeper(folder: Path, ann_file: Path) -> None:
    """Move the frames of a set to VIDEO/img1, the layout of MOT.

    Args:
        folder (Path): Folder of the folders of frames.
        ann_file (Path): The annotations, by frame.
    """
    text = ann_file.read_text()
    for name in VIDEOS:
        (folder / name).rename(folder / 'img1')
        (folder / name).mkdir()
        (folder / 'img1').rename(folder / name / 'img1')
        text = text.replace(f'{name}/0', f'{name}/img1/0')
    ann_file.write_text(text)
