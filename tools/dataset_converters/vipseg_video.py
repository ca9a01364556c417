# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of one raw video of VIPSeg to the 720P layout."""

import json
import os.path as osp
from pathlib import Path
from typing import NamedTuple

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.datasets.vipseg_layouts import list_frames
from projects.maxtron.structures import (
    SegmentColors,
    read_id_map,
    read_raw_segments,
    write_id_map,
)
from projects.maxtron.utils import atomic_path, dump_json, write_image

import cv2
import numpy as np
from PIL import Image, ImageOps

PROGRESS = '.progress'


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
        """str: File with the annotations of the video; written last."""
        return osp.join(self.out, PROGRESS, 'videos', f'{self.name}.json')


def convert_video(job: Job) -> dict:
    """Resize the frames of a video and describe its segments.

    Args:
        job (Job): The video.

    Returns:
        dict: ``images`` and ``annotations`` of the frames that have a mask;
        also written to the record of the job, as the last file.

    Raises:
        FileNotFoundError: If a mask has no image.
        ValueError: If a file cannot be read, sizes differ, or a value has no
            category.
    """
    if osp.exists(job.record):
        return json.loads(Path(job.record).read_text('utf-8'))
    cv2.setNumThreads(0)  # The processes share the cores.
    names = _annotated_frames(job)
    width, height = _resize_frames(job, names)
    frames = [_read_segments(job, name)[1] for name in names]
    ids = _choose_ids(job, frames)
    category_ids = [c['id'] for c in job.categories]
    record: dict[str, list] = dict(images=[], annotations=[])
    for name, segments in zip(names, frames):
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


def _choose_ids(job: Job, frames: list[list[dict]]) -> dict[int, int]:
    """Choose one colour for each value of the video, in ascending order."""
    labels = {s['id']: s['category'] for frame in frames for s in frame}
    values = sorted(labels)
    colors = SegmentColors(job.categories, values)
    return {
        value: colors.next_id(job.categories[labels[value]]['id'])
        for value in values
    }


def _annotated_frames(job: Job) -> list[str]:
    """List the frames that have a mask, in temporal order."""
    img_dir, mask_dir = (
        osp.join(job.root, kind, job.name) for kind in ('imgs', 'panomasks')
    )
    if not osp.isdir(img_dir):
        raise FileNotFoundError(
            f'video {job.name} is listed, but there is no folder {img_dir}.'
        )
    images = set(list_frames(img_dir, '.jpg'))
    masks = list_frames(mask_dir, '.png')
    surplus = [name for name in masks if name not in images]
    if surplus:
        raise FileNotFoundError(
            f'video {job.name}: frame {surplus[0]} has a mask in '
            f'{mask_dir}, but no image in {img_dir}.'
        )
    return masks


def _resize_frames(job: Job, names: list[str]) -> tuple[int, int]:
    """Resize images and masks, and return their new width and height."""
    first = size = (0, 0)
    for name in names:
        image, mask = _read_frame(job, name)
        if name == names[0]:
            first = image.size
            height = job.settings['height']
            size = (max(1, int(height * first[0] / first[1])), height)
        if image.size != first:
            raise ValueError(
                f'video {job.name}: its frames differ in size; {names[0]} is '
                f'{first[1]} x {first[0]} (height x width), {name} is '
                f'{image.size[1]} x {image.size[0]}. Resize them to one size.'
            )
        with atomic_path(_output(job, 'images', f'{name}.jpg')) as part:
            image.resize(size, Image.Resampling.BILINEAR).save(
                part, quality=job.settings['quality']
            )
        resized = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        write_image(
            _output(job, 'panomasks', f'{name}.png'),
            np.asarray(resized).astype(np.uint16),
        )
    return size


def _read_frame(job: Job, name: str) -> tuple[Image.Image, np.ndarray]:
    """Read image and mask of a frame, which are of one size."""
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
    if image.mode not in ('L', 'RGB'):
        image = image.convert('RGB')
    return image, mask


def _output(job: Job, folder: str, file_name: str) -> str:
    """Name an output of a frame."""
    return osp.join(job.out, folder, job.name, file_name)


def _read_segments(job: Job, name: str) -> tuple[np.ndarray, list[dict]]:
    """Read a resized mask and its segments."""
    where = f'video {job.name}, frame {name}'
    path = osp.join(job.out, 'panomasks', job.name, f'{name}.png')
    is_thing = [bool(c['isthing']) for c in job.categories]
    return read_raw_segments(
        read_id_map(path, where, raw=True), is_thing, where
    )


def _color_frame(job: Job, name: str, ids: dict[int, int]) -> None:
    """Write the RGB form of a resized mask."""
    values, segments = _read_segments(job, name)
    table = np.zeros(values.max() + 1, np.uint32)
    for segment in segments:
        table[segment['id']] = ids[segment['id']]
    write_id_map(_output(job, 'panomasksRGB', f'{name}.png'), table[values])
