# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Evaluation of a predicted panoptic video in one pass for all metrics."""

import os.path as osp
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from mmdet.structures import DetDataSample

from ..errors import InputError
from ..structures import (
    INSTANCE_OFFSET,
    read_id_map,
    read_raw_segments,
    thing_flags,
)
from .functional import VideoCounter, VideoCounts, count_pairs
from .panoptic_folders import PRED_FOLDER, segments_to_count
from .predicted_video import PredictedVideo
from .sample_fields import ANNOTATIONS, require_fields
from .submission import SegmentWriter


class FrameConsumer(Protocol):
    """Consumer of the frames of one video in temporal order."""

    def add(
        self, frame: DetDataSample, name: str, pred_map: np.ndarray
    ) -> None:
        """Process a frame, its name and its decoded prediction, (H, W)."""

    def result(self) -> Any:
        """Return a small result."""


class PanopticVideoEvaluator:
    """Reader of predicted videos that decodes each video once for all metrics.

    A result is cached for the lifetime of the first predicted frame of its
    video, so that the next metric of the same runner finds it. Metrics of
    several threads wait for each other.
    """

    def __init__(self) -> None:
        self._results: WeakKeyDictionary[
            DetDataSample, dict[Hashable, Any]
        ] = WeakKeyDictionary()
        self._lock = Lock()

    def read(
        self,
        video: PredictedVideo,
        consumers: dict[Hashable, Callable[[], FrameConsumer]],
    ) -> dict[Hashable, Any]:
        """Pass a video to the consumers that have not read it.

        Args:
            video (PredictedVideo): The video.
            consumers (dict[Hashable, callable]): Functions that make a
                consumer. Consumers of the same result have the same key.

        Returns:
            dict[Hashable, Any]: Results by key, including those of earlier
            calls for the video.
        """
        with self._lock:
            results = self._results.setdefault(video.frames[0], {})
            new = {k: f() for k, f in consumers.items() if k not in results}
            if new:
                for frame, name in zip(video.frames, video.frame_names):
                    pred_map = frame.pred_panoptic_map.decode()
                    for consumer in new.values():
                        consumer.add(frame, name, pred_map)
            results.update({k: c.result() for k, c in new.items()})
            return results


class GroundTruthCounter:
    """Counter of the pixels of a predicted video and its ground truth.

    Args:
        video (PredictedVideo): The video.
        dataset_meta (dict): ``classes`` and ``thing_classes``.
        backend_args (dict, optional): Backend for reading masks, see
            :func:`mmengine.fileio.get`.
    """

    def __init__(
        self,
        video: PredictedVideo,
        dataset_meta: dict,
        backend_args: dict | None = None,
    ) -> None:
        self.name = video.name
        self.is_thing = thing_flags(dataset_meta)
        self.backend_args = backend_args
        self._num_frames = 0
        labels = range(len(self.is_thing))
        self._counter = VideoCounter(video.name, dict(zip(labels, labels)))

    def add(
        self, frame: DetDataSample, name: str, pred_map: np.ndarray
    ) -> None:
        """Read the ground truth of a frame and count.

        Args:
            frame (DetDataSample): The frame with ``seg_map_path`` and
                ``segments_info``. A frame without ``seg_map_path`` does not
                count.
            name (str): Name of the frame.
            pred_map (np.ndarray): Predicted panoptic ids, (H, W).
        """
        time = self._num_frames
        self._num_frames += 1
        if not frame.get('seg_map_path'):
            return
        where = f'video {self.name}, frame {name}'
        segments = frame.get('segments_info')
        is_raw = segments is None
        gt_map = read_id_map(
            frame.seg_map_path, where, is_raw, self.backend_args
        )
        if is_raw:
            gt_map, segments = read_raw_segments(gt_map, self.is_thing, where)
        else:
            _check_segments(segments, where)
        pairs = count_pairs(gt_map, pred_map, where)
        # In a panoptic map 0 is a label; in the counts it is void.
        void = len(self.is_thing)
        pred_ids = np.where(pairs.pred_ids == void, 0, pairs.pred_ids + 1)
        self._counter.add(
            name,
            pairs._replace(pred_ids=pred_ids),
            segments_to_count(segments, pairs),
            [
                dict(id=i, category_id=(i - 1) % INSTANCE_OFFSET)
                for i in np.unique(pred_ids[pred_ids > 0]).tolist()
            ],
            time,
        )

    def result(self) -> VideoCounts:
        """Return the counts of the video.

        Returns:
            VideoCounts: The counts.
        """
        return self._counter.result()


def _check_segments(segments: Sequence[dict], where: str) -> None:
    """Check the fields of the segments of a frame.

    Args:
        segments (Sequence[dict]): ``segments_info`` of the frame.
        where (str): Name of the frame, for messages.

    Raises:
        InputError: If a field is missing, or ``iscrowd`` is not 0 or 1.
    """
    for position, segment in enumerate(segments):
        name = f'{where}: item {position} of segments_info'
        require_fields(segment, ('id', 'category'), name, ANNOTATIONS)
        is_crowd = segment.get('iscrowd')
        if is_crowd not in (None, 0, 1):
            raise InputError(
                f'{name} has iscrowd={is_crowd!r}, but it must be 0 or 1. '
                f'{ANNOTATIONS}'
            )


class VideoSubmission:
    """Writer of the predicted masks of a video, and collector of its segments.

    Args:
        video (PredictedVideo): The video.
        folder (str): Folder for pan_pred/VIDEO/FRAME.png.
        categories (Sequence[dict]): See :func:`metainfo_categories`.
    """

    def __init__(
        self, video: PredictedVideo, folder: str, categories: Sequence[dict]
    ) -> None:
        self.video_id = video.video_id
        path = osp.join(folder, PRED_FOLDER, video.name)
        self._writer = SegmentWriter(path, video.name, categories)
        self._frames: list[dict] = []

    def add(
        self, frame: DetDataSample, name: str, pred_map: np.ndarray
    ) -> None:
        """Write the mask of a frame.

        Args:
            frame (DetDataSample): The frame.
            name (str): Name of the frame.
            pred_map (np.ndarray): Predicted panoptic ids, (H, W).
        """
        ids = frame.pred_panoptic_map.segment_ids
        labels = {i: i % INSTANCE_OFFSET for i in ids}
        entry = self._writer.add(pred_map, labels, f'{name}.png')
        if frame.get('img_id') is not None:
            entry = dict(image_id=frame.img_id, **entry)
        self._frames.append(entry)

    def result(self) -> dict:
        """Return the entry of the video in pred.json.

        Returns:
            dict: ``video_id`` and ``annotations``.
        """
        return dict(video_id=self.video_id, annotations=self._frames)
