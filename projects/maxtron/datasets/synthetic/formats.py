# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Synthetic annotations in the YouTube-VIS and VIPSeg formats.

A *record* holds the annotations of one video: ``name``, ``scenario``,
``length``, ``height``, ``width``, ``crossings``, ``instances`` (of
``encode_instances``) and, for VIPSeg, ``frames`` (of ``encode_segments``).
``writer.write_video`` makes it.
"""

import os.path as osp
from collections.abc import Iterable

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from ...structures import SegmentColors, raw_labels
from ...utils import write_image
from .classes import (
    SYNTHETIC_THING_CLASSES,
    thing_categories,
    vipseg_categories,
)
from .video import SyntheticVideo


def write_frames(frames: np.ndarray, folder: str, quality: int) -> None:
    """Write frames (T, H, W, 3), BGR, as 00000.jpg and so on."""
    for time, frame in enumerate(frames):
        write_image(
            osp.join(folder, f'{time:05d}.jpg'),
            frame,
            [cv2.IMWRITE_JPEG_QUALITY, quality],
        )


def write_masks(
    ids: np.ndarray,
    folder: str,
    colors: dict[int, tuple[int, int, int]] | None = None,
) -> None:
    """Write id maps as PNG.

    Args:
        ids (np.ndarray): (T, H, W), uint16, VIPSeg's raw values.
        folder (str): Where to write 00000.png and so on.
        colors (dict[int, tuple[int]], optional): RGB colour of every raw
            value. None: write the raw values as 16-bit PNG.
    """
    table = None
    if colors is not None:
        table = np.zeros((ids.max() + 1, 3), np.uint8)
        for raw_id, color in colors.items():
            table[raw_id] = color[::-1]  # cv2 writes BGR
    for time, frame in enumerate(ids):
        write_image(
            osp.join(folder, f'{time:05d}.png'),
            frame if table is None else table[frame],
            [cv2.IMWRITE_PNG_COMPRESSION, 3],
        )


def encode_instances(video: SyntheticVideo) -> list[dict]:
    """Encode the masks of all things.

    Args:
        video (SyntheticVideo): The video.

    Returns:
        list[dict]: The video's instances, each with ``segmentations`` (COCO
        RLE), ``bboxes`` (x, y, w, h) and ``areas``: one entry per frame, None
        if the thing is absent.
    """
    encoded = []
    for instance in video.instances:
        segmentations, bboxes, areas = [], [], []
        for frame in video.ids:
            mask = frame == instance['raw_id']
            rle = bbox = area = None
            if mask.any():
                rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
                bbox = mask_utils.toBbox(rle).tolist()
                area = int(mask.sum())
                rle['counts'] = rle['counts'].decode()
            segmentations.append(rle)
            bboxes.append(bbox)
            areas.append(area)
        encoded.append(
            dict(
                instance,
                segmentations=segmentations,
                bboxes=bboxes,
                areas=areas,
            )
        )
    return encoded


def encode_segments(
    video: SyntheticVideo,
) -> tuple[list[list[dict]], dict[int, tuple[int, int, int]]]:
    """List the panoptic segments of all frames.

    Args:
        video (SyntheticVideo): The video.

    Returns:
        tuple: List of ``segments_info`` per frame, and the RGB colour of
        every raw value; id = R + 256 G + 65536 B.
    """
    raw_ids = np.setdiff1d(video.ids, [0]).tolist()
    labels = dict(zip(raw_ids, raw_labels(np.array(raw_ids)).tolist()))
    ids = segment_ids(raw_ids)
    frames = []
    for frame in video.ids:
        values, areas = np.unique(frame, return_counts=True)
        frames.append(
            [
                dict(
                    id=ids[value],
                    category_id=labels[value],
                    iscrowd=0,
                    area=area,
                )
                for value, area in zip(values.tolist(), areas.tolist())
                if value
            ]
        )
    return frames, {
        raw: (i & 255, i >> 8 & 255, i >> 16) for raw, i in ids.items()
    }


def segment_ids(raw_ids: Iterable[int]) -> dict[int, int]:
    """Choose the ids of the segments of a video in the RGB masks.

    Args:
        raw_ids (Iterable[int]): Raw values of all segments of the video.

    Returns:
        dict[int, int]: Id of each raw value.
    """
    ordered = sorted(raw_ids)
    colors = SegmentColors(vipseg_categories(), ordered)
    labels = raw_labels(np.array(ordered)).tolist()
    return {raw: colors.next_id(label) for raw, label in zip(ordered, labels)}


def _file_names(record: dict) -> list[str]:
    return [f'{record["name"]}/{t:05d}.jpg' for t in range(record['length'])]


def video_annotations(records: list[dict]) -> dict:
    """Make the official YouTube-VIS JSON: one annotation per instance.

    Args:
        records (list[dict]): Records of a split, in order.

    Returns:
        dict: videos, annotations, categories.
    """
    videos, annotations = [], []
    for video_id, record in enumerate(records, 1):
        videos.append(
            dict(
                id=video_id,
                width=record['width'],
                height=record['height'],
                length=record['length'],
                file_names=_file_names(record),
                scenario=record['scenario'],
            )
        )
        for instance in record['instances']:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    video_id=video_id,
                    category_id=instance['label'] + 1,
                    iscrowd=0,
                    segmentations=instance['segmentations'],
                    bboxes=instance['bboxes'],
                    areas=instance['areas'],
                )
            )
    return dict(
        videos=videos, annotations=annotations, categories=thing_categories()
    )


def per_image_annotations(records: list[dict], split: str) -> dict:
    """Make the JSON of MMDetection's video datasets: one annotation per frame.

    Args:
        records (list[dict]): Records of a split, in order.
        split (str): Name of the split, the first folder of the paths.

    Returns:
        dict: videos, images, annotations, categories. The ids of videos and
        instances are those of ``video_annotations``.
    """
    source = video_annotations(records)
    videos, images, annotations = [], [], []
    first_image = {}
    for video in source['videos']:
        first_image[video['id']] = len(images) + 1
        name = osp.dirname(video['file_names'][0])
        videos.append(
            dict(id=video['id'], name=name, scenario=video['scenario'])
        )
        for frame_id, file_name in enumerate(video['file_names']):
            images.append(
                dict(
                    id=len(images) + 1,
                    file_name=file_name,
                    height=video['height'],
                    width=video['width'],
                    frame_id=frame_id,
                    video_id=video['id'],
                )
            )
    for tube in source['annotations']:
        for frame_id, bbox in enumerate(tube['bboxes']):
            if bbox is None:
                continue
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    video_id=tube['video_id'],
                    image_id=first_image[tube['video_id']] + frame_id,
                    category_id=tube['category_id'],
                    instance_id=tube['id'],
                    bbox=bbox,
                    segmentation=tube['segmentations'][frame_id],
                    area=tube['areas'][frame_id],
                    iscrowd=0,
                )
            )
    return dict(
        videos=videos,
        images=images,
        annotations=annotations,
        categories=source['categories'],
    )


def vipseg_annotations(records: list[dict]) -> dict:
    """Make the panoptic JSON of VIPSeg's official converter.

    Args:
        records (list[dict]): Records of a split, in order, with ``frames``.

    Returns:
        dict: videos, annotations, categories.
    """
    videos, annotations = [], []
    for record in records:
        images, frames = [], []
        for time, segments in enumerate(record['frames']):
            images.append(
                dict(
                    id=f'{time:05d}',
                    width=record['width'],
                    height=record['height'],
                    file_name=f'{time:05d}.png',
                )
            )
            frames.append(
                dict(
                    image_id=f'{time:05d}',
                    file_name=f'{time:05d}.png',
                    segments_info=segments,
                )
            )
        videos.append(
            dict(
                video_id=record['name'],
                images=images,
                scenario=record['scenario'],
            )
        )
        annotations.append(dict(video_id=record['name'], annotations=frames))
    return dict(
        videos=videos, annotations=annotations, categories=vipseg_categories()
    )


def scenario_table(records: list[dict]) -> list[dict]:
    """List the events of every video, for evaluation by scenario.

    Args:
        records (list[dict]): Records of a split, in order.

    Returns:
        list[dict]: Per video ``name``, ``video_id``, ``scenario``,
        ``length``, ``crossings`` and ``instances`` with ``instance_id``,
        ``raw_id``, ``category``, ``group`` (twins share it), ``gaps``.
    """
    table, instance_id = [], 0
    for video_id, record in enumerate(records, 1):
        instances = []
        for instance in record['instances']:
            instance_id += 1
            instances.append(
                dict(
                    instance_id=instance_id,
                    raw_id=instance['raw_id'],
                    category=SYNTHETIC_THING_CLASSES[instance['label']],
                    group=instance['group'],
                    gaps=instance['gaps'],
                )
            )
        table.append(
            dict(
                name=record['name'],
                video_id=video_id,
                scenario=record['scenario'],
                length=record['length'],
                instances=instances,
                crossings=record['crossings'],
            )
        )
    return table
