# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny panoptic videos in the published formats of other benchmarks."""

from pathlib import Path

import cv2
import numpy as np

from tests.test_datasets.tiny_panoptic import VIDEOS, draw_frame, draw_map
from tools.dataset_converters import step_to_720p

Files = dict[str, bytes]


def encode(image: np.ndarray, suffix: str) -> bytes:
    ok, content = cv2.imencode(suffix, image)
    assert ok
    return content.tobytes()


def write_files(root: Path, files: Files) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def draw_classes(name: str, t: int) -> np.ndarray:
    """Draw class + 1 of every pixel, (h, w), 0 for void."""
    raw = draw_map(name, t)
    return np.where(raw < 125, raw, raw // 100).astype(np.uint8)


def vspw_mask(name: str, t: int) -> np.ndarray:
    """Draw a mask of VSPW, with its second value of void."""
    mask = draw_classes(name, t)
    mask[:4, -4:] = 255
    return mask


def vspw_files() -> Files:
    """VSPW_480p as released."""
    files = {f'{split}.txt': '\n'.join(VIDEOS).encode() for split in
             ('train', 'val')}  # yapf: disable
    for name, (*_, length) in VIDEOS.items():
        for t in range(length):
            stem = f'{t:08d}'
            files[f'data/{name}/origin/{stem}.jpg'] = encode(
                draw_frame(name, t), '.jpg'
            )
            files[f'data/{name}/mask/{stem}.png'] = encode(
                vspw_mask(name, t), '.png'
            )
    return files


# class and instance of KITTI-STEP of each raw value
STEP_SEGMENTS = {
    0: (255, 0),
    1: (2, 0),
    15: (0, 0),
    16: (9, 0),
    300: (13, 1),
    301: (13, 258),
    500: (11, 1),
}
# sequences with the frames of a tiny video, by split
STEP_SEQUENCES = dict(
    train={'0000': 'landscape', '0003': 'portrait'},
    val={'0006': 'landscape', '0018': 'portrait'},
)


def step_map(name: str, t: int) -> np.ndarray:
    """Draw a panoptic map of KITTI-STEP, BGR, with a crowd of cars."""
    raw = draw_map(name, t)
    table = np.zeros((501, 3), np.uint8)
    for value, (label, instance) in STEP_SEGMENTS.items():
        table[value] = instance % 256, instance // 256, label
    table[0, :2] = 7  # void has any number
    pixels = table[raw]
    pixels[:4, -4:] = 0, 0, 13
    return pixels


def step_images() -> Files:
    """The frames as in the archive of KITTI tracking."""
    return {
        f'training/image_02/{sequence}/{t:06d}.png': encode(
            draw_frame(name, t), '.png'
        )
        for names in STEP_SEQUENCES.values()
        for sequence, name in names.items()
        for t in range(VIDEOS[name][2])
    }


def step_maps() -> Files:
    """The panoptic maps of KITTI-STEP as released."""
    return {
        f'panoptic_maps/{split}/{sequence}/{t:06d}.png': encode(
            step_map(name, t), '.png'
        )
        for split, names in STEP_SEQUENCES.items()
        for sequence, name in names.items()
        for t in range(VIDEOS[name][2])
    }


def write_kitti_step(root: Path) -> None:
    """Write KITTI-STEP as prepared."""
    write_files(root, step_maps())
    splits = {
        sequence: split
        for split, names in STEP_SEQUENCES.items()
        for sequence in names
    }
    for name, content in step_images().items():
        sequence, frame = name.split('/')[-2:]
        path = f'images/{splits[sequence]}/{sequence}/{frame}'
        write_files(root, {path: content})
    step_to_720p.main([str(root), '--nproc=1'])
