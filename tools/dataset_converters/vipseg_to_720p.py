# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Make VIPSeg_720P, which is trained and tested on, of VIPSeg as released.

    python tools/dataset_converters/vipseg_to_720p.py data/VIPSeg

Reads imgs/, panomasks/ and {train,val}.txt and writes VIPSeg_720P/ with
images/, panomasks/ and panomasksRGB/ of 720 rows and
panoptic_gt_VIPSeg_{train,val}.json. Frames without a mask (those of the test
set) are left out. A run that was interrupted continues with the video that it
was at; a split that is complete is left alone.
"""

import argparse
import json
import os
import os.path as osp
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES
from projects.maxtron.structures import (
    SegmentColors,
    read_id_map,
    read_raw_segments,
    write_id_map,
)
from projects.maxtron.utils import atomic_path

import cv2
import numpy as np
from mmengine.utils import track_parallel_progress, track_progress
from PIL import Image, ImageOps

SPLITS = ('train', 'val', 'test')
_PROGRESS = '.progress'


class Job(NamedTuple):
    """One video to convert.

    Attributes:
        root (str): Folder of VIPSeg as released.
        out (str): Folder to write to.
        name (str): Name of the video.
        settings (dict): ``height`` of the frames, ``quality`` of JPEG.
        categories (list[dict]): Categories in the order of the raw values.
    """

    root: str
    out: str
    name: str
    settings: dict
    categories: list[dict]

    @property
    def record(self) -> str:
        """str: File that tells that the video is complete, and about it."""
        return osp.join(self.out, _PROGRESS, f'{self.name}.json')


def convert_video(job: Job) -> dict:
    """Resize the frames of a video and describe its segments.

    Args:
        job (:obj:`Job`): The video.

    Returns:
        dict: ``images`` and ``annotations`` of the frames that have a mask;
        also written to the file of the job, last of all.

    Raises:
        FileNotFoundError: If there is a mask without an image.
        ValueError: If a file cannot be read, sizes differ, or there are
            values of no category.
    """
    if osp.exists(job.record):
        with open(job.record) as file:
            return json.load(file)
    cv2.setNumThreads(0)  # processes share the cores
    names = _annotated_frames(job)
    for folder in ('images', 'panomasks', 'panomasksRGB'):
        os.makedirs(osp.join(job.out, folder, job.name), exist_ok=True)
    sizes = [_resize_frame(job, name) for name in names]
    frames, values = [], set()
    for name in names:
        _, segments = _read_segments(job, name)
        frames.append(segments)
        values.update(s['id'] for s in segments)
    # one colour for each value of the video, in ascending order
    values = sorted(values)
    colors = SegmentColors(job.categories, values)
    category_ids = [c['id'] for c in job.categories]
    labels = {s['id']: s['category'] for frame in frames for s in frame}
    ids = {v: colors.next_id(category_ids[labels[v]]) for v in values}
    record = dict(images=[], annotations=[])
    for name, (width, height), segments in zip(names, sizes, frames):
        _color_frame(job, name, ids)
        file_name = f'{name}.png'
        record['images'].append(
            dict(id=name, width=width, height=height, file_name=file_name)
        )
        record['annotations'].append(
            dict(
                image_id=name,
                file_name=file_name,
                segments_info=[
                    dict(
                        id=ids[s['id']],
                        category_id=category_ids[s['category']],
                        iscrowd=0,
                        area=s['area'],
                    )
                    for s in segments
                ],
            )
        )
    dump_json(record, job.record)
    return record


def _annotated_frames(job: Job) -> list[str]:
    """Names of the frames that have a mask, in temporal order."""
    folders = [
        osp.join(job.root, kind, job.name) for kind in ('imgs', 'panomasks')
    ]
    if not osp.isdir(folders[0]):
        raise FileNotFoundError(
            f'video {job.name} is listed, but there is no folder {folders[0]}.'
        )
    images, masks = (
        {
            osp.splitext(name)[0]
            for name in (os.listdir(folder) if osp.isdir(folder) else ())
            if name.endswith(suffix)
        }
        for folder, suffix in zip(folders, ('.jpg', '.png'))
    )
    if masks - images:
        raise FileNotFoundError(
            f'video {job.name}: frame {min(masks - images)} has a mask in '
            f'{folders[1]}, but no image in {folders[0]}.'
        )
    return sorted(masks)


def _resize_frame(job: Job, name: str) -> tuple[int, int]:
    """Resize image and mask, and return the new width and height."""
    where = f'video {job.name}, frame {name}'
    mask = read_id_map(
        osp.join(job.root, 'panomasks', job.name, f'{name}.png'),
        where,
        raw=True,
    )
    path = osp.join(job.root, 'imgs', job.name, f'{name}.jpg')
    try:
        # upright, as OpenCV loads it
        image = ImageOps.exif_transpose(Image.open(path))
        image.load()
    except OSError as error:
        raise ValueError(
            f'{where}: {path} cannot be read as an image '
            f'({error}). Is the file complete?'
        ) from error
    width, height = image.size
    if mask.shape != (height, width):
        raise ValueError(
            f'{where}: the mask is {mask.shape[0]} x {mask.shape[1]} (height '
            f'x width), but the image {height} x {width}.'
        )
    size = (
        int(job.settings['height'] * width / height),
        job.settings['height'],
    )
    with _output(job, 'images', f'{name}.jpg') as part:
        image.resize(size, Image.BILINEAR).save(
            part, quality=job.settings['quality']
        )
    resized = Image.fromarray(mask).resize(size, Image.NEAREST)
    with _output(job, 'panomasks', f'{name}.png') as part:
        if not cv2.imwrite(part, np.asarray(resized).astype(np.uint16)):
            raise OSError(f'Could not write {part}: is the disk full?')
    return size


def _output(job: Job, folder: str, file_name: str):
    """Let a file of a frame be written beside its place."""
    return atomic_path(osp.join(job.out, folder, job.name, file_name))


def _read_segments(job: Job, name: str) -> tuple[np.ndarray, list[dict]]:
    """Read a resized mask."""
    where = f'video {job.name}, frame {name}'
    path = osp.join(job.out, 'panomasks', job.name, f'{name}.png')
    is_thing = [bool(c['isthing']) for c in job.categories]
    return read_raw_segments(
        read_id_map(path, where, raw=True), is_thing, where
    )


def _color_frame(job: Job, name: str, ids: dict) -> None:
    """Write the RGB form of a resized mask."""
    values, segments = _read_segments(job, name)
    table = np.zeros(values.max() + 1, np.uint32)
    for segment in segments:
        table[segment['id']] = ids[segment['id']]
    with _output(job, 'panomasksRGB', f'{name}.png') as part:
        write_id_map(part, table[values])


def dump_json(content, path: str) -> None:
    """Write a JSON file beside its place, then rename it."""
    os.makedirs(osp.dirname(path), exist_ok=True)
    with atomic_path(path) as part:
        Path(part).write_text(json.dumps(content))


class Converter:
    """Converts the splits of VIPSeg.

    Args:
        args (Namespace): ``root``, ``out``, ``nproc``, ``overwrite``,
            ``height`` and ``quality``.
        categories (list[dict]): ``id``, ``name``, ``isthing`` and ``color``
            in the order of the raw values.

    Raises:
        FileNotFoundError: If there is no folder of masks.
        ValueError: If the folder has been begun with other settings.
    """

    def __init__(
        self, args: argparse.Namespace, categories: list[dict]
    ) -> None:
        self.root, self.out = str(args.root), str(args.out)
        self.nproc = args.nproc
        self.overwrite = args.overwrite
        self.categories = categories
        self.settings = dict(height=args.height, quality=args.quality)
        for folder in ('imgs', 'panomasks'):
            if not osp.isdir(osp.join(self.root, folder)):
                raise FileNotFoundError(
                    f'{self.root} has no folder {folder}: is it that of '
                    'VIPSeg as released?'
                )
        self._claim_folder()

    def _claim_folder(self) -> None:
        """See that all of a folder is made with the same settings."""
        path = osp.join(self.out, _PROGRESS, 'settings.json')
        wanted = dict(self.settings, categories=self.categories)
        found = (
            json.loads(Path(path).read_text()) if osp.exists(path) else wanted
        )
        other = [key for key in wanted if found.get(key) != wanted[key]]
        if other and not self.overwrite:
            raise ValueError(
                f'{self.out} has been begun with another {other[0]}. Name '
                'another folder by --out, or begin anew with --overwrite.'
            )
        if self.overwrite:
            shutil.rmtree(osp.join(self.out, _PROGRESS), ignore_errors=True)
        for split in SPLITS if other else ():
            # no reader shall take the frames for what they are no more
            Path(self._target(split)).unlink(missing_ok=True)
        dump_json(wanted, path)
        dump_json(
            self.categories, osp.join(self.out, 'panoVIPSeg_categories.json')
        )

    def _target(self, split: str) -> str:
        """Annotation file of a split."""
        return osp.join(self.out, f'panoptic_gt_VIPSeg_{split}.json')

    def convert(self, split: str) -> None:
        """Convert a split.

        Args:
            split (str): Its name.

        Raises:
            FileNotFoundError: If there is no list of its videos.
            ValueError: If the list is empty or names a video twice.
        """
        target = self._target(split)
        if osp.exists(target):
            if not self.overwrite:
                print(
                    f'{split}: complete, left alone (--overwrite makes it '
                    'anew)'
                )
                return
            os.remove(target)
        names = self._read_names(split)
        jobs = [
            Job(self.root, self.out, name, self.settings, self.categories)
            for name in names
        ]
        print(f'{split}: {len(names)} video(s) -> {self.out}')
        if self.nproc == 1:
            records = track_progress(convert_video, jobs)
        else:
            records = track_parallel_progress(
                convert_video, jobs, self.nproc, keep_order=True
            )
        print()
        videos = [
            (name, record)
            for name, record in zip(names, records)
            if record['images']
        ]
        skipped = len(names) - len(videos)
        if skipped:
            print(f'{split}: {skipped} video(s) without masks were left out')
        if videos:
            dump_json(
                dict(
                    videos=[
                        dict(video_id=name, images=record['images'])
                        for name, record in videos
                    ],
                    annotations=[
                        dict(video_id=name, annotations=record['annotations'])
                        for name, record in videos
                    ],
                    categories=self.categories,
                ),
                target,
            )
        for job in jobs:
            os.remove(job.record)

    def _read_names(self, split: str) -> list[str]:
        """Read the names of the videos of a split."""
        path = osp.join(self.root, f'{split}.txt')
        names = Path(path).read_text().split()
        if not names:
            raise ValueError(f'{path} lists no videos.')
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise ValueError(f'{path} lists video {twice} twice.')
        return names


def load_categories(path: Path | None) -> list[dict]:
    """Read a table of categories; VIPSeg's own without a path."""
    if path is None:
        return VIPSEG_CATEGORIES
    categories = json.loads(path.read_text())
    keys = {'id', 'name', 'isthing', 'color'}
    for category in categories:
        if not keys <= category.keys():
            raise ValueError(
                f'{path}: a category needs {sorted(keys)}, got {category}.'
            )
    return categories


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'root', type=Path, help='folder with imgs/, panomasks/ and *.txt'
    )
    parser.add_argument('--out', type=Path, help='default: ROOT/VIPSeg_720P')
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=SPLITS,
        help='what to convert (default: train and val, as far as there are '
        'ROOT/SPLIT.txt)',
    )
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument(
        '--height', type=int, default=720, help='rows of a frame'
    )
    parser.add_argument(
        '--quality', type=int, default=75, help='of JPEG, 1 to 95'
    )
    parser.add_argument(
        '--categories',
        type=Path,
        help='JSON of other categories than those of VIPSeg, in the order of '
        'the raw values: [{id, name, isthing, color}]',
    )
    args = parser.parse_args(args)
    args.out = args.out or args.root / 'VIPSeg_720P'
    for key, low, high in (
        ('nproc', 1, 512),
        ('height', 1, 1 << 14),
        ('quality', 1, 95),
    ):
        if not low <= getattr(args, key) <= high:
            parser.error(
                f'--{key} must be {low} to {high}, got {getattr(args, key)}'
            )
    splits = args.splits or [
        s for s in SPLITS[:2] if (args.root / f'{s}.txt').exists()
    ]
    missing = [
        f'{args.root / s}.txt'
        for s in splits or SPLITS[:2]
        if not (args.root / f'{s}.txt').exists()
    ]
    if missing:
        parser.error(
            f'No such file: {", ".join(missing)}. Is ROOT the folder '
            'of VIPSeg as released?'
        )
    args.splits = splits
    return args


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    try:
        converter = Converter(args, load_categories(args.categories))
        for split in args.splits:
            converter.convert(split)
    except (OSError, ValueError) as error:
        sys.exit(f'vipseg_to_720p: {error}')


if __name__ == '__main__':
    main()
