# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checks of the videos of a prepared dataset."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from projects.maxtron.datasets.transforms import (
    LoadPanopticMap,
    LoadVideoFrame,
)
from projects.maxtron.errors import InputError

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.fileio import exists


@dataclass
class Report:
    """Results of the checks of videos; a COCO image counts as a video.

    Attributes:
        problems (list[str]): Sentences with file, fault and remedy.
        counts (Counter): Numbers of videos, frames, annotated frames, tubes,
            masks (of a tube in a frame) and decoded frames.
        num_annotations (int, optional): Number of annotations in the file.
        left_out (Counter): Number of annotations that were not loaded, by
            reason.
        labels (set[int]): Classes that occur.
        sizes (set[tuple]): Width and height of frames.
        lengths (set[int]): Numbers of frames of the videos.
    """

    problems: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    num_annotations: int | None = None
    left_out: Counter = field(default_factory=Counter)
    labels: set[int] = field(default_factory=set)
    sizes: set[tuple] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)

    def add(self, other: 'Report') -> None:
        """Add the results of other videos of the same file."""
        self.problems += other.problems
        self.counts += other.counts
        self.labels |= other.labels
        self.sizes |= other.sizes
        self.lengths |= other.lengths


class Segment(NamedTuple):
    """Annotated segment of a frame.

    Attributes:
        id (int, optional): Id of the tube.
        label (int): Class of the segment.
        is_thing (bool): Whether the segment is an instance.
    """

    id: int | None
    label: int
    is_thing: bool


def list_segments(frame: dict) -> list[Segment]:
    """List the segments of a frame; none for an unread raw map."""
    if 'segments_info' in frame:
        return [
            Segment(seg['id'], seg['category'], seg['is_thing'])
            for seg in frame['segments_info'] or ()
        ]
    return [
        Segment(ann.get('instance_id'), ann['bbox_label'], True)
        for ann in frame.get('instances', ())
    ]


def _has_map(frame: dict) -> bool:
    """Return whether a frame has a panoptic map; sparse ones have None."""
    return 'segments_info' in frame and frame['seg_map_path'] is not None


class VideoChecker:
    """Checker of videos: files, sizes, ids and maps.

    Masks of instances are checked when the annotation file is read.

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
            videos (list[dict]): Videos with ``video_id`` and
                ``images``. If the flag ``decode`` of an image is set, its
                files are read. Otherwise they only have to exist.

        Returns:
            Report: The results.
        """
        report = Report()
        for video in videos:
            report.counts['videos'] += 1
            report.lengths.add(len(video['images']))
            tubes: dict[int, tuple] = {}
            for frame in video['images']:
                report.counts['frames'] += 1
                report.sizes.add((frame['width'], frame['height']))
                # Missing files are read, too, because the loader names the
                # remedy.
                is_complete = self._has_files(frame)
                if frame['decode'] or not is_complete:
                    report.counts['decoded'] += is_complete
                    report.problems += self._read_files(frame)
                segments = list_segments(frame)
                report.counts['annotated'] += bool(segments)
                report.counts['masks'] += len(segments)
                report.labels.update(seg.label for seg in segments)
                report.problems += self._check_ids(frame, segments, tubes)
            report.counts['tubes'] += sum(
                seg.is_thing for seg, _ in tubes.values()
            )
        return report

    def _has_files(self, frame: dict) -> bool:
        """Return whether the image and, for panoptic data, the map exist."""
        keys = ['img_path']
        if _has_map(frame):
            keys.append('seg_map_path')
        return all(
            exists(frame[key], backend_args=self.backend_args) for key in keys
        )

    def _read_files(self, frame: dict) -> Iterator[str]:
        """Read the image and the map of a frame.

        The segments of a raw map are added to the frame.

        Yields:
            str: A sentence for each file that cannot be used.
        """
        is_panoptic = _has_map(frame)
        size = frame['height'], frame['width']
        for transform in (self.load_image, self.load_map)[: 1 + is_panoptic]:
            # Each loader compares with the stated size.
            results = dict(frame, img=np.broadcast_to(np.uint8(0), size))
            try:
                results = transform(results)
            except (OSError, ValueError) as error:
                yield str(error)
        if is_panoptic:
            frame['segments_info'] = results['segments_info']

    def _check_ids(
        self, frame: dict, segments: list[Segment], tubes: dict[int, tuple]
    ) -> Iterator[str]:
        """Check that ids are unique in a frame and tubes keep their class."""
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


def load_videos(dataset: BaseDataset) -> list[dict]:
    """Read the annotation file with all checks of the dataset.

    Args:
        dataset (BaseDataset): Dataset that is not initialised.

    Returns:
        list[dict]: All videos, including those without annotations. COCO
        images are videos.

    Raises:
        FileNotFoundError: If files are missing.
        InputError: If annotations are inconsistent.
        KeyError: If fields are missing.
    """
    items = dataset.load_data_list()
    dataset.data_list = items
    if not dataset.filter_data():
        raise InputError(
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
            # Raw maps require this.
            frame['label_is_thing'] = dataset.metainfo.get('isthing')
    return videos


def find_repeated_frames(
    dataset: BaseDataset, videos: list[dict]
) -> Iterator[str]:
    """Find files that are listed as several frames.

    Args:
        dataset (BaseDataset): The dataset.
        videos (list[dict]): Videos of the dataset.

    Yields: str: A sentence."""
    paths = Counter(f['img_path'] for v in videos for f in v['images'])
    for path, count in paths.items():
        if count > 1:
            yield (
                f'{dataset.ann_file}: the file {path} is that of '
                f'{count} frames. Give every frame its own.'
            )
