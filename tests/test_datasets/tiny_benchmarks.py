# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny videos in the published formats of other benchmarks."""

import json
from pathlib import Path

from projects.maxtron.datasets import CityscapesVPSDataset
from projects.maxtron.datasets.cityscapes_categories import (
    cityscapes_categories,
)

import cv2
import numpy as np

from tests.test_datasets import tiny_videos
from tests.test_datasets.tiny_panoptic import VIDEOS, draw_frame, draw_map
from tools.dataset_converters import (
    cityscapes_vps_to_720p,
    step_to_720p,
    youtube_vis_to_coco,
)
from tools.dataset_converters.recipes import RECIPES

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


# video of Cityscapes-VPS -> tiny video and its annotated frames
CITY_VIDEOS = {'0001': ('landscape', (1, 3, 5)), '0005': ('portrait', (0, 4))}
# ids of the published files, in any order, of each raw value
CITY_SEGMENTS = {
    1: (2, 2),
    15: (0, 1),
    16: (9, 9),
    300: (13, 13001),
    301: (13, 13002),
    500: (11, 11001),
}


def city_frame(video: str, t: int) -> str:
    """Name a frame without its suffix."""
    return f'{video}_{t + 1:04d}_frankfurt_000000_{1700 + t:06d}'


def city_map(name: str, t: int) -> np.ndarray:
    """Draw a panoptic map, BGR."""
    table = np.zeros((501, 3), np.uint8)
    for raw, (_, i) in CITY_SEGMENTS.items():
        table[raw] = i >> 16, i >> 8 & 255, i & 255
    return table[draw_map(name, t)]


def city_annotations() -> dict:
    """The annotations that the scripts of VPSNet make."""
    things = CityscapesVPSDataset.METAINFO['thing_classes']
    annotations = []
    for video, (name, labelled) in CITY_VIDEOS.items():
        for t in labelled:
            values, areas = np.unique(draw_map(name, t), return_counts=True)
            annotations.append(
                dict(
                    image_id=city_frame(video, t),
                    file_name=f'{city_frame(video, t)}_final_mask.png',
                    segments_info=[
                        dict(
                            id=CITY_SEGMENTS[v][1],
                            category_id=CITY_SEGMENTS[v][0],
                            iscrowd=0,
                            area=area,
                        )
                        for v, area in zip(values.tolist(), areas.tolist())
                        if v
                    ],
                )
            )
    return dict(
        annotations=annotations, categories=cityscapes_categories(things)
    )


def cityscapes_vps_files() -> Files:
    """Cityscapes-VPS after the scripts of VPSNet."""
    content = json.dumps(city_annotations()).encode()
    files = {
        f'panoptic_gt_{split}_city_vps.json': content
        for split in ('train', 'val')
    }
    for video, (name, labelled) in CITY_VIDEOS.items():
        for t in range(VIDEOS[name][2]):
            stem = city_frame(video, t)
            image = encode(draw_frame(name, t), '.png')
            files[f'val/img_all/{stem}_newImg8bit.png'] = image
            if t in labelled:
                panoptic = encode(city_map(name, t), '.png')
                files[f'train/img/{stem}_newImg8bit.png'] = image
                files[f'val/img/{stem}_newImg8bit.png'] = image
                for split in ('train', 'val'):
                    path = f'{split}/panoptic_video/{stem}_final_mask.png'
                    files[path] = panoptic
    return files


def write_cityscapes_vps(root: Path) -> None:
    """Write Cityscapes-VPS as prepared."""
    recipe = RECIPES['cityscapes_vps']
    for name, content in cityscapes_vps_files().items():
        path = recipe.place(name)
        if path is not None:
            write_files(root, {path: content})
    cityscapes_vps_to_720p.main([str(root)])


def lv_vis_annotations() -> dict:
    """Annotations of LV-VIS by instance; a class is base, base, or novel.

    The classes 1 to 3, which occur, have the partitions 1, 2 and 3.
    """
    names = [f'thing_{i}' for i in range(1, 1197)]
    content = tiny_videos.original_annotations(names, '.jpg')
    for category in content['categories']:
        category['partition'] = category['id'] % 4
    content['categories'].reverse()  # the order of the ids counts
    return content


def lv_vis_files() -> Files:
    """LV-VIS as released."""
    files = {
        f'{split}_instances.json': json.dumps(lv_vis_annotations()).encode()
        for split in ('train', 'val')
    }
    for name, length in tiny_videos.NUM_FRAMES.items():
        for t in range(length):
            image = encode(tiny_videos.draw_frame(name, t), '.jpg')
            for split in ('train', 'val'):
                files[f'JPEGImages/{split}/{name}/{t:05d}.jpg'] = image
    return files


def write_lv_vis(root: Path) -> None:
    """Write LV-VIS as prepared."""
    write_files(root, lv_vis_files())
    youtube_vis_to_coco.main([str(root), '--version=lv_vis'])
