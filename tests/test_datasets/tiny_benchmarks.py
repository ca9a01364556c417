# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny panoptic videos in the published formats of other benchmarks."""

from pathlib import Path

import cv2
import numpy as np

from tests.test_datasets.tiny_panoptic import VIDEOS, draw_frame, draw_map

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
