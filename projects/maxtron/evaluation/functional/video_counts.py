# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel counts of a video for VPQ and STQ, each frame counted once."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ...errors import InputError

VOID = 0


class FramePairs(NamedTuple):
    """Pixels of a frame by ground truth id and predicted id.

    Attributes:
        gt_ids (np.ndarray): Ground truth ids, (m,), int64, 0 is void.
        pred_ids (np.ndarray): Predicted ids, (m,), int64, 0 is void.
        counts (np.ndarray): Pixels, (m,), int64, above 0.
    """

    gt_ids: np.ndarray
    pred_ids: np.ndarray
    counts: np.ndarray


def count_pairs(
    gt_map: np.ndarray, pred_map: np.ndarray, where: str
) -> FramePairs:
    """Count the pixels of a frame by (ground truth id, predicted id).

    The pairs are counted by runs along the rows, because segments are
    connected: about ten thousand runs are sorted instead of a million pixels.

    Args:
        gt_map (np.ndarray): Ids of the ground truth, (H, W), integers from 0
            to 2**31 - 1.
        pred_map (np.ndarray): Predicted ids, in the same format.
        where (str): Name of the frame for messages.

    Returns:
        FramePairs: The pairs, each once.

    Raises:
        InputError: If the maps differ in size.
    """
    if gt_map.shape != pred_map.shape:
        raise InputError(
            f'{where}: the prediction is {_size(pred_map)} (height x width), '
            f'but the ground truth {_size(gt_map)}.'
        )
    gt, pred = gt_map.ravel(), pred_map.ravel()
    is_start = np.ones(gt.size, bool)
    np.not_equal(gt[1:], gt[:-1], out=is_start[1:])
    is_start[1:] |= pred[1:] != pred[:-1]
    starts = np.flatnonzero(is_start)
    keys = gt[starts].astype(np.int64) << 32 | pred[starts].astype(np.int64)
    keys, runs = np.unique(keys, return_inverse=True)
    counts = np.bincount(runs, np.diff(starts, append=gt.size))
    return FramePairs(keys >> 32, keys & 0xFFFFFFFF, counts.astype(np.int64))


def _size(array: np.ndarray) -> str:
    return ' x '.join(map(str, array.shape))


class Segments(NamedTuple):
    """Segments of all frames of a video, in temporal order.

    The rows are in the order of frames, and within a frame in the order of
    its list.

    Attributes:
        frames (np.ndarray): Position of the frame in the video, (n,).
        tubes (np.ndarray): Number of the tube, (n,), from 1, in order of
            first appearance in the rows; 0 stands for void.
        labels (np.ndarray): Label of the category, (n,). Frames of one tube
            may differ.
        is_crowd (np.ndarray): Whether the segment is a crowd, (n,), bool.
        areas (np.ndarray): Number of pixels, (n,): the annotated area if there
            is one, otherwise the counted pixels.
        ids (np.ndarray): Id of the tube in the maps, (n,).
    """

    frames: np.ndarray
    tubes: np.ndarray
    labels: np.ndarray
    is_crowd: np.ndarray
    areas: np.ndarray
    ids: np.ndarray


class VideoCounts(NamedTuple):
    """Counts of a video: a few kilobytes, independent of the frame size.

    Attributes:
        name (str): Name of the video.
        num_frames (int): Number of frames.
        gt (Segments): Segments of the ground truth.
        pred (Segments): Predicted segments.
        gt_rows (np.ndarray): Row in ``gt`` of each pair, (m,), -1 is void.
        pred_rows (np.ndarray): Row in ``pred`` of each pair, (m,), -1 is
            void. Both rows belong to one frame, and at most one is void.
        counts (np.ndarray): Pixels of each pair, (m,).
        times (np.ndarray): Position of each frame in the video, (num_frames,).
            With sparse labels, frames of the video are missing.
    """

    name: str
    num_frames: int
    gt: Segments
    pred: Segments
    gt_rows: np.ndarray
    pred_rows: np.ndarray
    counts: np.ndarray
    times: np.ndarray


class VideoCounter:
    """Collector of the pixel pairs of a video, frame by frame.

    Args:
        name (str): Name of the video, for messages.
        labels (dict[int, int]): Label of each category id.
    """

    def __init__(self, name: str, labels: dict[int, int]) -> None:
        self.name = name
        self.num_frames = 0
        self._gt = _SegmentRows(labels, 'ground truth')
        self._pred = _SegmentRows(labels, 'prediction')
        self._pairs: list[np.ndarray] = []
        self._times: list[int] = []

    def add(
        self,
        frame_name: str,
        pairs: FramePairs,
        gt_segments: Iterable[dict],
        pred_segments: Iterable[dict],
        time: int | None = None,
    ) -> None:
        """Add the next frame.

        Args:
            frame_name (str): Name of the frame, for messages.
            pairs (FramePairs): Pixels of the frame.
            gt_segments (Iterable[dict]): Annotated segments: ``id``,
                ``category_id`` and optionally ``iscrowd`` (0) and ``area``
                (counted). The areas of an id that is listed twice are added.
            pred_segments (Iterable[dict]): Predicted segments: ``id`` and
                ``category_id``; areas are counted.
            time (int, optional): Position of the frame in the video. Defaults
                to None: all frames of the video are added.

        Raises:
            InputError: If list and pixels have different ids, or a category
                is unknown.
        """
        sides = (
            (self._gt, pairs.gt_ids, gt_segments, True),
            (self._pred, pairs.pred_ids, pred_segments, False),
        )
        columns = []
        try:
            for side, ids, segments, use_area in sides:
                rows = side.add(
                    self.num_frames,
                    segments,
                    _areas(ids, pairs.counts),
                    use_area,
                )
                columns.append(
                    np.array([rows[i] for i in ids.tolist()], np.int64)
                )
        except ValueError as error:
            raise InputError(
                f'video {self.name}, frame {frame_name}: {error}.'
            ) from error
        frame = np.stack([*columns, pairs.counts])
        self._pairs.append(frame[:, (frame[:2] >= 0).any(0)])
        self._times.append(self.num_frames if time is None else time)
        self.num_frames += 1

    def result(self) -> VideoCounts:
        """Return the counts of all added frames.

        Returns:
            VideoCounts: The counts of the video.
        """
        gt_rows, pred_rows, counts = np.concatenate(
            [np.zeros((3, 0), np.int64), *self._pairs], 1
        )
        return VideoCounts(
            self.name,
            self.num_frames,
            self._gt.result(),
            self._pred.result(),
            gt_rows,
            pred_rows,
            counts,
            np.array(self._times, np.int64),
        )


def _areas(ids: np.ndarray, counts: np.ndarray) -> dict[int, int]:
    """Count the pixels of every id except void."""
    unique, inverse = np.unique(ids, return_inverse=True)
    areas = np.bincount(inverse, counts).astype(np.int64)
    return {
        i: area
        for i, area in zip(unique.tolist(), areas.tolist())
        if i != VOID
    }


class _SegmentRows:
    """Collector of the rows of :class:`Segments`.

    Args:
        labels (dict[int, int]): Label of each category id.
        kind (str): 'ground truth' or 'prediction', for messages.
    """

    def __init__(self, labels: dict[int, int], kind: str) -> None:
        self.labels = labels
        self.kind = kind
        self.tubes: dict[int, int] = {}
        self.rows: list[tuple] = []

    def add(
        self,
        frame: int,
        segments: Iterable[dict],
        counted: dict[int, int],
        use_area: bool,
    ) -> dict[int, int]:
        """Add the segments of a frame.

        Args:
            frame (int): Position of the frame.
            segments (Iterable[dict]): The listed segments.
            counted (dict[int, int]): Pixels of every id in the map.
            use_area (bool): Whether to use a listed area.

        Returns:
            dict[int, int]: Row of every id; -1 for void.
        """
        merged: dict[int, dict] = {}
        for segment in segments:
            self._check(segment, merged.get(segment['id']))
            area: int | None = segment.get('area') if use_area else None
            if segment['id'] not in merged:
                merged[segment['id']] = dict(segment, area=area)
            elif area is not None:
                merged[segment['id']]['area'] += area
        self._compare(merged.keys(), counted.keys())
        rows = {VOID: -1}
        for segment_id, segment in merged.items():
            area = segment['area']
            rows[segment_id] = len(self.rows)
            self.rows.append(
                (
                    frame,
                    self.tubes.setdefault(segment_id, len(self.tubes) + 1),
                    self.labels[segment['category_id']],
                    segment.get('iscrowd', 0),
                    counted[segment_id] if area is None else area,
                    segment_id,
                )
            )
        return rows

    def _check(self, segment: dict, other: dict | None) -> None:
        """Check that a segment is complete and has one category."""
        missing = {'id', 'category_id'} - segment.keys()
        if missing:
            raise InputError(
                f'a segment of the {self.kind} has no '
                f'{" and no ".join(sorted(missing))}'
            )
        if segment['id'] == VOID:
            raise InputError(
                f'the {self.kind} lists a segment of id 0, which means void'
            )
        category = segment['category_id']
        if category not in self.labels:
            raise InputError(
                f'segment {segment["id"]} of the {self.kind} '
                f'has the unknown category {category}'
            )
        if other is not None and other['category_id'] != category:
            raise InputError(
                f'the {self.kind} lists segment {segment["id"]} twice, with '
                f'the categories {other["category_id"]} and {category}'
            )

    def _compare(self, listed: Iterable[int], found: Iterable[int]) -> None:
        """Check that the map has the listed ids and no others."""
        unknown = sorted(set(found) - set(listed))
        if unknown:
            raise InputError(
                f'the mask of the {self.kind} has ids that its list of '
                f'segments does not have: {_some(unknown)}'
            )
        absent = sorted(set(listed) - set(found))
        if absent:
            raise InputError(
                f'the list of segments of the {self.kind} has ids that its '
                f'mask does not have: {_some(absent)}'
            )

    def result(self) -> Segments:
        """Return the rows as arrays."""
        columns = np.array(self.rows, np.int64).reshape(-1, 6).T
        frames, tubes, labels, is_crowd, areas, ids = columns
        return Segments(frames, tubes, labels, is_crowd == 1, areas, ids)


def _some(ids: list[int]) -> str:
    """Format the first few ids."""
    more = f' and {len(ids) - 5} more' if len(ids) > 5 else ''
    return ', '.join(map(str, ids[:5])) + more
