# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Writer of the instance tracks of a video as a YouTube-VIS submission."""

import json
import os.path as osp
import tempfile
from array import array
from collections import Counter
from typing import Any, TextIO

from mmengine.structures import InstanceData

from ...structures import category_ids
from ...utils import finishing, writing


class YouTubeVISWriter:
    """Writer of the tracks of a video as a YouTube-VIS submission.

    The score of a track is the mean over its frames, and its category is the
    most frequent one. In addition to the fields of the format, each track has
    its ``instance_id``, its ``scores`` in all frames (None where it is not
    visible) and the name of its ``category``. Until the end of the video,
    masks are kept in a temporary file, because the format lists them track by
    track.

    Args:
        path (str): The JSON file.
        dataset_meta (dict, optional): ``classes`` and, if the user's file has
            other ids, ``category_ids``. Defaults to None: ids are counted from
            1 and tracks have no ``category``.
        video_id (int): Id of the video. Defaults to 1.

    Raises:
        OSError: If the file cannot be written.
    """

    def __init__(
        self, path: str, dataset_meta: dict | None = None, video_id: int = 1
    ) -> None:
        self.path = path
        self._names = dataset_meta and dataset_meta['classes']
        self._ids = dataset_meta and category_ids(dataset_meta, first=1)
        self.video_id = video_id
        self.num_frames = 0
        self._tracks: dict[int, _Track] = {}
        self._size = [0, 0]
        with writing(path, any_file=True):
            # in the folder of the result: the default folder may be in memory
            self._spool = tempfile.TemporaryFile(
                dir=osp.dirname(osp.abspath(path))
            )

    def __enter__(self) -> 'YouTubeVISWriter':
        return self

    def write(self, instances: InstanceData) -> None:
        """Append a frame.

        Args:
            instances (InstanceData): ``pred_track_instances`` of the frame,
                masks as compressed COCO run-length encodings.

        Raises:
            WriteError: If the disk is full.
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
            with writing(self.path):
                track.offsets.append(self._spool.tell())
                track.lengths.append(self._spool.write(rle['counts']))
            self._size = list(rle['size'])
        self.num_frames += 1

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        with (
            finishing(self.path, exc_type, self.num_frames == 0) as part,
            self._spool,
            open(part, 'w') as file,
        ):
            file.write('[')
            for i, (instance_id, track) in enumerate(self._tracks.items()):
                file.write(',\n' if i else '')
                self._write_track(file, instance_id, track)
            file.write(']\n')

    def _write_track(
        self, file: TextIO, instance_id: int, track: '_Track'
    ) -> None:
        """Write a track; hold one mask at a time."""
        # the lowest of equally frequent classes, as in MMDetection
        label = min(track.labels, key=lambda c: (-track.labels[c], c))
        head: dict[str, Any] = dict(
            video_id=self.video_id,
            instance_id=instance_id,
            category_id=self._ids[label] if self._ids else label + 1,
            score=sum(track.scores) / len(track.scores),
        )
        if self._names:
            head['category'] = self._names[label]
        scores = dict(zip(track.frames, track.scores))
        head['scores'] = [
            round(scores[t], 4) if t in scores else None
            for t in range(self.num_frames)
        ]
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
    """Part of a track in memory: about 30 bytes per mask."""

    def __init__(self) -> None:
        self.labels: Counter[int] = Counter()
        self.scores = array('d')
        self.frames = array('q')
        self.offsets = array('q')
        self.lengths = array('q')
