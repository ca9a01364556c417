# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A tiny panoptic dataset on disk, in both layouts of VIPSeg."""

import json
from pathlib import Path

from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES

import cv2
import numpy as np
from mmdet.registry import DATASETS

WALL, DOOR, LADDER, GROUND, GRASS = 0, 2, 4, 14, 15
# video -> height, width, frames
VIDEOS = dict(landscape=(64, 96, 7), portrait=(96, 64, 5))
# raw value -> (label, RGB colour): the first of each class has its colour
SEGMENTS = {
    1: (WALL, (120, 120, 120)),
    15: (GROUND, (8, 255, 51)),
    16: (GRASS, (255, 6, 82)),
    300: (DOOR, (6, 230, 230)),
    301: (DOOR, (16, 220, 230)),
    500: (LADDER, (4, 200, 3)),
}


def color_id(raw: int) -> int:
    """Compute the id of a segment in the 720P layout."""
    return int(np.dot(SEGMENTS[raw][1], (1, 256, 65536)))


def draw_map(name: str, t: int) -> np.ndarray:
    """Draw raw values, (h, w), with four void columns at the left."""
    height, width, _ = VIDEOS[name]
    ids = np.full((height, width), 1, np.uint16)
    if name == 'landscape':
        ids[40:] = 15
        ids[8:40, 12 + 2 * t : 32 + 2 * t] = 300
        ids[16:56, 60:76] = 301
    else:
        ids[80:] = 16
        ids[20:60, 8 : 28 + t] = 300
        if t >= 2:
            ids[30:70, 40:56] = 500
    ids[:, :4] = 0
    return ids


def blue(ids: np.ndarray) -> np.ndarray:
    """Compute the value of the blue channel for a segment."""
    codes = np.zeros(501, np.uint8)
    codes[list(SEGMENTS)] = 40 * np.arange(1, len(SEGMENTS) + 1)
    return codes[ids]


def draw_frame(name: str, t: int) -> np.ndarray:
    """Draw an image; colours encode position (G, R) and segment (B)."""
    height, width, _ = VIDEOS[name]
    img = np.zeros((height, width, 3), np.uint8)
    img[..., 0] = blue(draw_map(name, t))
    img[..., 1] = 2 * np.arange(height)[:, None]
    img[..., 2] = 2 * np.arange(width)
    return img


def annotations() -> dict:
    """Make the JSON of the 720P layout."""
    videos, anns = [], []
    for name, (height, width, length) in VIDEOS.items():
        images, frames = [], []
        for t in range(length):
            file_name = f'{t:05d}.png'
            images.append(
                dict(
                    id=f'{t:05d}',
                    width=width,
                    height=height,
                    file_name=file_name,
                )
            )
            values, areas = np.unique(draw_map(name, t), return_counts=True)
            segments = [
                dict(
                    id=color_id(v),
                    category_id=SEGMENTS[v][0],
                    iscrowd=0,
                    area=a,
                )
                for v, a in zip(values.tolist(), areas.tolist())
                if v
            ]
            frames.append(
                dict(
                    image_id=f'{t:05d}',
                    file_name=file_name,
                    segments_info=segments,
                )
            )
        videos.append(dict(video_id=name, images=images))
        anns.append(dict(video_id=name, annotations=frames))
    return dict(videos=videos, annotations=anns, categories=VIPSEG_CATEGORIES)


def write_map(path: Path, ids: np.ndarray, rgb: bool) -> None:
    """Write raw values, or the colours of their segments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if rgb:
        table = np.zeros((501, 3), np.uint8)
        for raw, (_, color) in SEGMENTS.items():
            table[raw] = color[::-1]
        ids = table[ids]
    assert cv2.imwrite(str(path), ids)


def write_dataset(root: Path) -> None:
    """Write both layouts with lossless images."""
    for name, (*_, length) in VIDEOS.items():
        for t in range(length):
            for folder in ('images', 'imgs'):
                path = root / folder / name / f'{t:05d}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), draw_frame(name, t))
            for folder in ('panomasksRGB', 'panomasks'):
                write_map(
                    root / folder / name / f'{t:05d}.png',
                    draw_map(name, t),
                    folder == 'panomasksRGB',
                )
    (root / 'train.json').write_text(json.dumps(annotations()))
    (root / 'train.txt').write_text(''.join(f'{n}\n' for n in VIDEOS))


PLAIN = [
    dict(type='RandomClipSampler', include_last=True),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame', to_float32=False),
            dict(type='LoadPanopticMap'),
            dict(type='PadToCanvas', canvas=(96, 96)),
        ],
    ),
    dict(type='PackPanopticClip', stride=1),
]


def build(root: Path, ann_file: str = 'train.json', **kwargs):
    """Build the dataset with this pipeline and other arguments."""
    cfg = dict(
        type='VIPSegDataset',
        data_root=str(root),
        ann_file=ann_file,
        img_suffix='.png',
        serialize_data=False,
        pipeline=PLAIN,
    )
    return DATASETS.build({**cfg, **kwargs})
