# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Finds what is wrong with a prepared dataset."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from projects.maxtron.datasets.transforms import (
    LoadPanopticMap,
    LoadVideoFrame,
)
from projects.maxtron.visualization import to_bitmap

import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.dataset import BaseDataset
from mmengine.fileio import exists, load


@dataclass
class Report:
    """What was found in some videos; an image of COCO is a video.

    Attributes:
        problems (list[str]): Sentences with file, fault and remedy.
        counts (Counter): Numbers of videos, frames, annotated frames, tubes,
            masks (of a tube in a frame) and decoded frames.
        labels (set[int]): Classes that occur.
        sizes (set[tuple]): Width and height of frames.
        lengths (set[int]): Numbers of frames of the videos.
    """

    problems: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    labels: set[int] = field(default_factory=set)
    sizes: set[tuple] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)

    def add(self, other: 'Report') -> None:
        """Add what was found in other videos."""
        self.problems += other.problems
        self.counts += other.counts
        self.labels |= other.labels
        self.sizes |= other.sizes
        self.lengths |= other.lengths


class Segment(NamedTuple):
    """An annotated thing or stuff in a frame.

    Attributes:
        id (int, optional): Of its tube.
        label (int): Class.
        is_thing (bool): Whether it counts as an instance.
    """

    id: int | None
    label: int
    is_thing: bool


def list_segments(frame: dict) -> list[Segment]:
    """Segments of a frame; none of a raw map that has not been read."""
    if 'segments_info' in frame:
        return [
            Segment(seg['id'], seg['category'], seg['is_thing'])
            for seg in frame['segments_info'] or ()
        ]
    return [
        Segment(ann.get('instance_id'), ann['bbox_label'], True)
        for ann in frame.get('instances', ())
    ]


class VideoChecker:
    """Checks videos: files, sizes, ids, maps and masks.

    Args:
        ann_file (str): Annotation file, for messages.
        classes (Sequence[str]): Names of the classes.
        backend_args (dict, optional): See :func:`mmengine.fileio.get`.
    """

    def __init__(
        self, ann_file: str, classes: Sequence[str], backend_args: dict | None
    ) -> None:
        self.ann_file = ann_file
        self.classes = classes
        self.backend_args = backend_args
        self.load_image = LoadVideoFrame(
            to_float32=False, backend_args=backend_args
        )
        self.load_map = LoadPanopticMap(backend_args=backend_args)

    def __call__(self, videos: list[dict]) -> Report:
        """Check some videos.

        Args:
            videos (list[dict]): With ``video_id`` and ``images``; the flag
                ``decode`` of an image says to read its files, which are else
                only looked for.

        Returns:
            Report: What was found.
        """
        report = Report()
        for video in videos:
            report.counts['videos'] += 1
            report.lengths.add(len(video['images']))
            tubes: dict[int, tuple] = {}
            for frame in video['images']:
                report.counts['frames'] += 1
                report.sizes.add((frame['width'], frame['height']))
                report.problems += self._check_files(frame, report.counts)
                segments = list_segments(frame)
                report.counts['annotated'] += bool(segments)
                report.counts['masks'] += len(segments)
                report.labels.update(seg.label for seg in segments)
                report.problems += self._check_ids(frame, segments, tubes)
            report.counts['tubes'] += sum(
                seg.is_thing for seg, _ in tubes.values()
            )
        return report

    def _check_files(self, frame: dict, counts: Counter) -> Iterator[str]:
        """Look for the files of a frame, or read them.

        What a raw map shows is added to the frame.
        """
        is_panoptic = 'segments_info' in frame
        paths = [frame['img_path']]
        if is_panoptic:
            paths.append(frame['seg_map_path'])
        # whatever loads a file knows best how to say that it is not there
        there = [exists(p, backend_args=self.backend_args) for p in paths]
        if not frame['decode'] and all(there):
            return
        counts['decoded'] += all(there)
        for transform in (self.load_image, self.load_map)[: len(paths)]:
            # each by itself: a map is compared with what is stated
            size = frame['height'], frame['width']
            results = dict(frame, img=np.empty(size))
            try:
                results = transform(results)
            except (OSError, ValueError) as error:
                yield str(error)
        if is_panoptic:
            frame['segments_info'] = results['segments_info']
            return
        for ann in frame.get('instances', ()):
            fault = _find_fault(ann.get('mask'), frame)
            if fault:
                yield (
                    f'{self.ann_file}: the mask of instance '
                    f'{ann.get("instance_id", "")} in '
                    f'{frame["img_path"]} {fault}. Correct the '
                    'annotation.'
                )

    def _check_ids(
        self, frame: dict, segments: list[Segment], tubes: dict[int, tuple]
    ) -> Iterator[str]:
        """See that ids are unique in a frame, and tubes keep their class."""
        where = f'{self.ann_file}: in {frame["img_path"]}'
        seen = set()
        for segment in segments:
            if segment.id is None:
                tubes[len(tubes), frame['img_path']] = segment, frame
                continue
            if segment.id in seen:
                yield (
                    f'{where} the id {segment.id} is given twice. Give '
                    'every instance an id of its own.'
                )
            seen.add(segment.id)
            first, other = tubes.setdefault(segment.id, (segment, frame))
            if first.label != segment.label:
                yield (
                    f'{where} the tube {segment.id} is '
                    f'{self.classes[segment.label]!r}, but '
                    f'{self.classes[first.label]!r} in '
                    f'{other["img_path"]}. A tube has one category: '
                    'correct it, or give one of the two another id.'
                )


def _find_fault(mask, frame: dict) -> str | None:
    """What is wrong with the mask of an instance; None if nothing is."""
    if mask is None:
        return 'is missing'
    size = frame['height'], frame['width']
    try:
        to_bitmap(mask, size)
        if isinstance(mask, dict):
            # decoding takes too few runs for a complete mask
            pixels = _count_pixels(mask['counts'])
            if pixels != size[0] * size[1]:
                return (
                    f'is cut off: it has {pixels} of {size[0]} x '
                    f'{size[1]} pixels'
                )
    except Exception as error:  # pycocotools raises what it likes
        return f'does not decode ({error})'
    return None


def _count_pixels(counts) -> int:
    """Sum of the runs of a COCO encoding, which may be compressed.

    A compressed run has five bits a character, the lowest first, from '0' on;
    32 says that more follow, 16 in the last that it is negative. From the
    fourth on a run is given as the difference to the one before the last.
    """
    if isinstance(counts, list):
        return sum(counts)
    if isinstance(counts, str):
        counts = counts.encode()
    runs, value, shift = [], 0, 0
    for byte in counts:
        bits = byte - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return sum(runs)


def load_videos(dataset: BaseDataset) -> list[dict]:
    """Read the annotation file as the dataset does, with all its checks.

    Args:
        dataset (BaseDataset): Not initialised yet.

    Returns:
        list[dict]: All videos, also those without annotations; an image of
        COCO as a video.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If annotations are inconsistent.
        KeyError: If fields are missing.
    """
    items = dataset.load_data_list()
    dataset.data_list = items
    if not dataset.filter_data():
        raise ValueError(
            f'{dataset.ann_file} has nothing to train on: the '
            'filter of the dataset leaves nothing.'
        )
    videos = [
        item
        if 'images' in item
        else dict(video_id=item['img_id'], images=[dict(item, frame_id=0)])
        for item in items
    ]
    for video in videos:
        for frame in video['images']:
            frame['video_id'] = video['video_id']
            # needed for raw maps
            frame['label_is_thing'] = dataset.metainfo.get('isthing')
    return videos


def find_repeated_frames(
    dataset: BaseDataset, videos: list[dict]
) -> Iterator[str]:
    """Tell which files and, where they have to be unique, ids are repeated.

    Args:
        dataset (BaseDataset): The dataset.
        videos (list[dict]): Its videos.

    Yields:
        str: A sentence.
    """
    # ids of frames of VIPSeg are their names, unique in a video
    is_global = not hasattr(dataset, 'layout')
    for what, values in (
        ('file', Counter(f['img_path'] for v in videos for f in v['images'])),
        (
            'image id',
            Counter(f['img_id'] for v in videos for f in v['images'])
            if is_global
            else {},
        ),
    ):
        for value, count in values.items():
            if count > 1:
                yield (
                    f'{dataset.ann_file}: the {what} {value} is that of '
                    f'{count} frames. Give every frame its own.'
                )


def check_coco_file(dataset: CocoDataset) -> Iterator[str]:
    """Check an annotation file that MMDetection reads without checks.

    Args:
        dataset (CocoDataset): Of instances or panoptic.

    Yields:
        str: A sentence for each problem.
    """
    path = dataset.ann_file
    content = load(path, backend_args=dataset.backend_args)
    known = {c['id'] for c in content['categories']}
    yield from _compare_classes(dataset, content['categories'])
    images = Counter(image['id'] for image in content['images'])
    for image, count in images.items():
        if count > 1:
            yield (
                f'{path}: the image id {image} is that of {count} images. '
                'Give every image its own.'
            )
    ids, annotated = set(), Counter()
    is_panoptic = 'thing_classes' in dataset.metainfo
    for ann in content['annotations']:
        annotated[ann['image_id']] += 1
        for segment in ann['segments_info'] if is_panoptic else [ann]:
            where = (
                f'{path}: segment {segment["id"]} of image {ann["image_id"]}'
            )
            # unique in an image, or in the file
            key = segment['id'], ann['image_id'] if is_panoptic else None
            if key in ids:
                yield f'{where} is listed twice. Give every one its own id.'
            ids.add(key)
            if segment['category_id'] not in known:
                yield (
                    f'{where} has the unknown category '
                    f'{segment["category_id"]}. Correct it, or add it to '
                    'categories.'
                )
    for image in annotated.keys() - images.keys():
        yield (
            f'{path}: image {image} is annotated, but not listed in '
            'images. Delete its annotation.'
        )
    for image in images if is_panoptic else ():
        if annotated[image] != 1:
            yield (
                f'{path}: image {image} has {annotated[image]} '
                'annotations in place of one. Is the file complete?'
            )


def _compare_classes(
    dataset: CocoDataset, categories: list[dict]
) -> Iterator[str]:
    """Compare the classes of the config with those of the file."""
    found = {c['name']: c for c in categories}
    things = dataset.metainfo.get('thing_classes')
    for name in dataset.metainfo['classes']:
        if name not in found:
            yield (
                f'{dataset.ann_file} has no category named {name!r}. Is '
                'it the file of this dataset? Else list the classes of '
                'your data in metainfo=dict(classes=...).'
            )
        elif things and bool(found[name]['isthing']) != (name in things):
            yield (
                f'{dataset.ann_file}: category {name!r} is a thing in one '
                'of file and config, and stuff in the other. Correct '
                'isthing, or thing_classes and stuff_classes in metainfo.'
            )
