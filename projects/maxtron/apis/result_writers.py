# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Results of a video, written frame by frame in constant memory.

A writer is a context manager. Its file appears under its name when the block
is left, also by Ctrl-C; if an error ends the block, what was written stays
beside it with ``.part`` in its name.
"""

import json
import os
import os.path as osp
import tempfile
from array import array
from collections import Counter

import cv2
import numpy as np
from mmengine.structures import InstanceData
from PIL import Image

from ..evaluation.submission import SegmentWriter
from ..structures import INSTANCE_OFFSET, PanopticMap, metainfo_categories
from ..utils import atomic_path, part_path
from ..visualization import id_colors, to_bitmap


class VideoWriter:
    """Writes drawn frames to a video file (MPEG-4).

    Args:
        path (str): The file, for instance ``out.mp4``.
        fps (float): Frames a second.
        size (tuple[int, int]): Height and width of the frames.

    Raises:
        ValueError: If OpenCV cannot write such a file.
    """

    def __init__(self, path: str, fps: float, size: tuple[int, int]) -> None:
        self.path = path
        self._part = part_path(path)
        self._writer = cv2.VideoWriter(
            self._part,
            cv2.VideoWriter_fourcc(*'mp4v'),
            fps,
            (size[1], size[0]),
        )
        if not self._writer.isOpened():
            raise ValueError(
                f'OpenCV cannot write {size[1]}x{size[0]} video at {fps:g} '
                f'frames a second to {path}. Give a file name that ends in '
                '.mp4, in a folder that you may write to.'
            )

    def __enter__(self) -> 'VideoWriter':
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, BGR, uint8, shape (H, W, 3)."""
        self._writer.write(frame)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        self._writer.release()
        _publish(self._part, self.path, exc_type)


class YouTubeVISWriter:
    """Writes the tracks of a video as a YouTube-VIS submission.

    The score of a track is the mean over the frames that it is in, and its
    category the most frequent one. Each track has its ``instance_id`` on
    top of what the format asks for. Masks wait in a temporary file for the
    end of the video, for the format wants them track by track.

    Args:
        path (str): The JSON file.
        video_id (int): Id of the video. Defaults to 1.
    """

    def __init__(self, path: str, video_id: int = 1) -> None:
        self.path = path
        self.video_id = video_id
        self.num_frames = 0
        self._part = part_path(path)
        self._tracks: dict[int, _Track] = {}
        self._size = [0, 0]
        # beside the result, as the default folder may be in memory
        self._spool = tempfile.TemporaryFile(
            dir=osp.dirname(osp.abspath(path))
        )

    def __enter__(self) -> 'YouTubeVISWriter':
        return self

    @property
    def num_tracks(self) -> int:
        """int: Number of different instances so far."""
        return len(self._tracks)

    def write(self, instances: InstanceData) -> None:
        """Append a frame.

        Args:
            instances (InstanceData): ``pred_track_instances`` of the frame,
                masks as compressed COCO run-length encodings.
        """
        for instance_id, label, score, rle in zip(
            instances.instances_id.tolist(),
            instances.labels.tolist(),
            instances.scores.tolist(),
            instances.masks,
        ):
            track = self._tracks.setdefault(instance_id, _Track())
            track.labels[label] += 1
            track.scores.append(score)
            track.frames.append(self.num_frames)
            track.offsets.append(self._spool.tell())
            track.lengths.append(self._spool.write(rle['counts']))
            self._size = list(rle['size'])
        self.num_frames += 1

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        with self._spool, open(self._part, 'w') as file:
            file.write('[')
            for i, (instance_id, track) in enumerate(self._tracks.items()):
                file.write(',\n' if i else '')
                self._write_track(file, instance_id, track)
            file.write(']\n')
        _publish(self._part, self.path, exc_type)

    def _write_track(self, file, instance_id: int, track: '_Track') -> None:
        """Write a track, holding one mask at a time."""
        head = dict(
            video_id=self.video_id,
            instance_id=instance_id,
            # of classes that are equally frequent the lowest, as in MMDet
            category_id=min(track.labels, key=lambda c: (-track.labels[c], c))
            + 1,
            score=sum(track.scores) / len(track.scores),
        )
        file.write(json.dumps(head)[:-1] + ', "segmentations": [')
        masks = dict(zip(track.frames, zip(track.offsets, track.lengths)))
        for t in range(self.num_frames):
            rle = None
            if t in masks:
                offset, length = masks[t]
                self._spool.seek(offset)
                counts = self._spool.read(length).decode()
                rle = dict(size=self._size, counts=counts)
            file.write((', ' if t else '') + json.dumps(rle))
        file.write(']}')


class _Track:
    """What is kept in memory of a track: some 30 bytes a mask."""

    def __init__(self) -> None:
        self.labels = Counter()
        self.scores = array('d')
        self.frames = array('q')
        self.offsets = array('q')
        self.lengths = array('q')


class IdMapWriter:
    """Writes one PNG a frame whose pixel values are instance ids, 0 for none.

    Where instances overlap, the better score wins. The PNG has a palette, so
    that it shows the colours of the drawn video and reads as ids with
    ``np.array(PIL.Image.open(path))``; frames with an id over 255 are 16-bit
    grey instead.

    Args:
        folder (str): Where the files go; must be empty or not there yet.
        score_thr (float): Instances of a lower score are left out.
            Defaults to 0.

    Raises:
        FileExistsError: If the folder has files, which would mix with the
            new ones.
    """

    def __init__(self, folder: str, score_thr: float = 0.0) -> None:
        _make_empty_folder(folder)
        self.path = folder
        self.score_thr = score_thr
        self._palette = id_colors(range(256)).tobytes()

    def write(
        self, instances: InstanceData, size: tuple[int, int], name: str
    ) -> None:
        """Write a frame.

        Args:
            instances (InstanceData): ``pred_track_instances`` of the frame.
            size (tuple[int, int]): Height and width of the frame.
            name (str): Name of the file, without suffix.
        """
        ids = instances.instances_id.tolist()
        scores = instances.scores.tolist()
        id_map = np.zeros(size, dtype=np.uint16)
        for i in sorted(range(len(ids)), key=scores.__getitem__):
            if scores[i] >= self.score_thr:
                id_map[to_bitmap(instances.masks[i], size)] = ids[i]
        if id_map.max() < 256:
            image = Image.fromarray(id_map.astype(np.uint8), mode='P')
            image.putpalette(self._palette)
        else:
            image = Image.fromarray(id_map)
        path = osp.join(self.path, f'{name}.png')
        with atomic_path(path) as part:
            image.save(part)


class PanopticWriter:
    """Writes one PNG of segment ids a frame, and what the ids mean.

    The PNG files are those of a VIPSeg submission: a pixel of colour R, G, B
    has the id R + 256 G + 65536 B, which a segment keeps over the video, and
    0 is void. ``segments.json`` beside them lists all segments: ``id``,
    ``color``, ``category_id`` (of the dataset's files), ``category`` (its
    name), ``isthing`` and, of things, ``number``: that in the drawn video.

    Args:
        folder (str): Where the files go; must be empty or not there yet.
        dataset_meta (dict): ``classes``, ``thing_classes`` and ``palette``.
        json_path (str, optional): File for the segments of every frame, as
            pred.json of a VIPSeg submission; it grows frame by frame.
            Defaults to None.
        name (str): Name of the video, its ``video_id`` in there. Defaults to
            'video'.

    Raises:
        FileExistsError: If the folder has files, which would mix with the
            new ones.
        ValueError: If there is not a colour for every class.
    """

    def __init__(
        self,
        folder: str,
        dataset_meta: dict,
        json_path: str | None = None,
        name: str = 'video',
    ) -> None:
        categories = metainfo_categories(dataset_meta)
        _make_empty_folder(folder)
        self.path = folder
        self.json_path = json_path
        self._table = osp.join(folder, 'segments.json')
        self._classes = dataset_meta['classes']
        self._masks = SegmentWriter(folder, name, categories)
        self._file = None
        self._separator = '\n'
        if json_path is not None:
            self._file = open(part_path(json_path), 'w')
            self._file.write(
                '{"annotations": [{"video_id": '
                f'{json.dumps(name)}, "annotations": ['
            )

    def __enter__(self) -> 'PanopticWriter':
        return self

    def write(self, panoptic_map: PanopticMap, name: str) -> None:
        """Write a frame.

        Args:
            panoptic_map (:obj:`PanopticMap`): The segments.
            name (str): Name of the file, without suffix.
        """
        entry = self._masks.add(
            panoptic_map.decode(),
            {i: i % INSTANCE_OFFSET for i in panoptic_map.segment_ids},
            f'{name}.png',
        )
        if self._file is not None:
            self._file.write(self._separator + json.dumps(entry))
            self._separator = ',\n'

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        part = part_path(self._table)
        with open(part, 'w') as file:
            lines = ',\n'.join(map(json.dumps, self._segments()))
            file.write(f'[\n{lines}\n]\n')
        _publish(part, self._table, exc_type)
        if self._file is not None:
            self._file.write(
                f']}}], "categories": {json.dumps(self._masks.categories)}}}\n'
            )
            self._file.close()
            _publish(self._file.name, self.json_path, exc_type)

    def _segments(self) -> list[dict]:
        """The table of segments, in the order of their appearance."""
        table = []
        for panoptic_id, color_id in self._masks.ids.items():
            number, label = divmod(panoptic_id, INSTANCE_OFFSET)
            segment = dict(
                id=color_id,
                color=[color_id >> shift & 255 for shift in (0, 8, 16)],
                category_id=self._masks.categories[label]['id'],
                category=self._classes[label],
                isthing=int(number > 0),
            )
            if number:
                segment['number'] = number
            table.append(segment)
        return table


def _make_empty_folder(folder: str) -> None:
    """Make a folder, or see that it has no files."""
    if osp.isdir(folder) and os.listdir(folder):
        raise FileExistsError(
            f'The folder {folder} is not empty, and its files would mix with '
            'the new ones. Empty it or give another folder.'
        )
    os.makedirs(folder, exist_ok=True)


def _publish(part: str, path: str, exc_type: type | None) -> None:
    """Give a finished file its name, unless an error cut it short."""
    if exc_type is None or issubclass(exc_type, KeyboardInterrupt):
        os.replace(part, path)
