# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The tiny datasets of tests/test_datasets in the form of downloads."""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from projects.maxtron.datasets import OVISDataset

import cv2
from mmdet.datasets import CocoDataset, YouTubeVISDataset

from tests.test_datasets import (
    tiny_benchmarks,
    tiny_coco,
    tiny_panoptic,
    tiny_videos,
)

Files = dict[str, bytes]


def write_zip(path: Path, files: Files, prefix: str = '') -> Path:
    """Write a zip archive with the additional files of macOS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
            archive.writestr(f'__MACOSX/{prefix}{name}', b'rubbish')
    return path


def write_tar(path: Path, files: Files, prefix: str = '') -> Path:
    """Write a tar archive with the compression of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = {'.gz': 'w:gz', '.tar': 'w'}[path.suffix]
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read_folder(folder: Path) -> Files:
    """The files below a folder by their path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def encode(image, suffix: str = '.jpg') -> bytes:
    ok, content = cv2.imencode(suffix, image)
    assert ok
    return content.tobytes()


def video_frames(name: str = '{name}/{t:05d}.jpg') -> Files:
    """Frames of the tiny instance videos."""
    return {
        name.format(name=video, t=t): encode(tiny_videos.draw_frame(video, t))
        for video, length in tiny_videos.NUM_FRAMES.items()
        for t in range(length)
    }


def video_annotations(
    classes: Sequence[str],
    with_annotations: bool = True,
    name: str = '{name}/{t:05d}.jpg',
) -> bytes:
    """Original annotations of YouTube-VIS or OVIS for these frames."""
    content = tiny_videos.original_annotations(classes, '.jpg')
    for video in content['videos']:
        video['file_names'] = [
            name.format(name=folder, t=int(Path(frame).stem))
            for folder, frame in (
                file_name.split('/') for file_name in video['file_names']
            )
        ]
    if not with_annotations:
        content['annotations'] = None  # as published
    return json.dumps(content).encode()


def vipseg_files() -> Files:
    """VIPSeg as released, with a file that is not needed."""
    files = {}
    for name, (*_, length) in tiny_panoptic.VIDEOS.items():
        for t in range(length):
            files[f'imgs/{name}/{t:05d}.jpg'] = encode(
                tiny_panoptic.draw_frame(name, t)
            )
            files[f'panomasks/{name}/{t:05d}.png'] = encode(
                tiny_panoptic.draw_map(name, t), '.png'
            )
    files['train.txt'] = b'landscape\nportrait\n'
    files['val.txt'] = b'portrait\n'
    files['README.md'] = b'not needed'
    return files


def coco_panoptic(folder: Path) -> None:
    """The maps are in separate archives."""
    tiny_coco.write_coco(folder / 'plain')
    files = read_folder(folder / 'plain')
    shutil.rmtree(folder / 'plain')
    maps = {}
    for split in ('train2017', 'val2017'):
        kind = f'panoptic_{split}'
        nested = write_zip(
            folder / f'{kind}.zip',
            {
                name[len('annotations/') :]: content
                for name, content in files.items()
                if name.startswith(f'annotations/{kind}/')
            },
        )
        maps[f'annotations/{kind}.zip'] = nested.read_bytes()
        maps[f'annotations/{kind}.json'] = files[f'annotations/{kind}.json']
        write_zip(
            folder / f'{split}.zip',
            {
                name: content
                for name, content in files.items()
                if name.startswith(split)
            },
        )
        nested.unlink()
    write_zip(folder / 'panoptic_annotations_trainval2017.zip', maps)


def coco_instance(folder: Path) -> None:
    """The archive of annotations also contains others."""
    coco_panoptic(folder)
    (folder / 'panoptic_annotations_trainval2017.zip').unlink()
    write_zip(
        folder / 'annotations_trainval2017.zip',
        {
            f'annotations/{kind}_{split}2017.json': coco_instances()
            for kind in ('instances', 'captions')
            for split in ('train', 'val')
        },
    )


def coco_instances() -> bytes:
    """Instances of the tiny pictures of COCO: a box each."""
    classes = CocoDataset.METAINFO['classes']
    content = dict(
        images=[
            dict(id=i, file_name=f'{i:012d}.jpg', height=64, width=96)
            for i in range(1, len(tiny_coco.PICTURES) + 1)
        ],
        categories=[
            dict(id=i, name=name) for i, name in zip(tiny_coco.IDS, classes)
        ],
        annotations=[
            dict(
                id=i,
                image_id=i,
                category_id=i,
                iscrowd=0,
                area=256,
                bbox=[16, 16, 16, 16],
                segmentation=[[16, 16, 32, 16, 32, 32, 16, 32]],
            )
            for i in range(1, len(tiny_coco.PICTURES) + 1)
        ],
    )
    return json.dumps(content).encode()


def youtube_classes(version: str) -> Sequence[str]:
    YouTubeVISDataset.set_dataset_classes(version)
    return YouTubeVISDataset.METAINFO['classes']


def youtube_vis_2019(folder: Path) -> None:
    """Annotations beside the archives, which have different layouts."""
    write_zip(folder / 'train.zip', video_frames(), 'train/JPEGImages/')
    write_tar(folder / 'valid.tar', video_frames(), 'data/valid/JPEGImages/')
    for split in ('train', 'valid'):
        (folder / f'{split}.json').write_bytes(
            video_annotations(youtube_classes('2019'), split == 'train')
        )


def youtube_vis_2021(folder: Path, splits=('train', 'valid')) -> None:
    """Annotations in the archives, which have no folder of their own."""
    for split in splits:
        write_zip(
            folder / f'{split}.zip',
            {
                'instances.json': video_annotations(
                    youtube_classes('2021'), split == 'train'
                ),
                **video_frames('JPEGImages/{name}/{t:05d}.jpg'),
            },
        )


def youtube_vis_2022(folder: Path) -> None:
    youtube_vis_2021(folder, ['valid'])


def ovis(folder: Path) -> None:
    name = '{name}/img_{t:07d}.jpg'
    write_zip(folder / 'train.zip', video_frames(name), 'train/')
    write_zip(folder / 'valid.zip', video_frames(name))
    for split in ('train', 'valid'):
        (folder / f'annotations_{split}.json').write_bytes(
            video_annotations(
                OVISDataset.METAINFO['classes'], split == 'train', name
            )
        )


def vipseg(folder: Path) -> None:
    write_tar(folder / 'VIPSeg.tar.gz', vipseg_files(), 'VIPSeg/')


def vspw(folder: Path) -> None:
    write_tar(
        folder / 'VSPW_480p.tar', tiny_benchmarks.vspw_files(), 'VSPW_480p/'
    )


def kitti_step(folder: Path) -> None:
    """Images of KITTI tracking, and the maps."""
    write_zip(
        folder / 'data_tracking_image_2.zip', tiny_benchmarks.step_images()
    )
    write_tar(
        folder / 'kitti-step.tar.gz',
        tiny_benchmarks.step_maps(),
        'kitti-step/',
    )


def lv_vis(folder: Path) -> None:
    """The layouts of the release and of its example code."""
    files = tiny_benchmarks.lv_vis_files()
    for split, prefix in (('train', ''), ('val', 'LVVIS/val/')):
        images = f'JPEGImages/{split}/'
        write_zip(
            folder / f'{split}.zip',
            {
                path.replace(images, 'JPEGImages/')
                if prefix
                else path: content
                for path, content in files.items()
                if path.startswith(images)
            },
            prefix,
        )
        path = f'{split}_instances.json'
        (folder / path).write_bytes(files[path])


def cityscapes_vps(folder: Path) -> None:
    tiny_benchmarks.write_files(
        folder / 'cityscapes_vps', tiny_benchmarks.cityscapes_vps_files()
    )


# functions that write the downloads of a dataset into a folder
DOWNLOADS = {
    make.__name__: make
    for make in (
        youtube_vis_2019,
        youtube_vis_2021,
        youtube_vis_2022,
        ovis,
        vipseg,
        vspw,
        kitti_step,
        lv_vis,
        cityscapes_vps,
        coco_panoptic,
        coco_instance,
    )
}
