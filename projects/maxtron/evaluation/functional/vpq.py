# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video panoptic quality (Kim et al., "Video Panoptic Segmentation", 2020).

The VIPSeg benchmark takes windows of k = 1, 2, 4 and 6 consecutive frames
with stride 1. The segments of one id in a window are a tube. Tubes are matched
and counted like segments in the panoptic quality of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from .video_counts import Segments, VideoCounts

WINDOWS = (1, 2, 4, 6)


@dataclass
class TubeStats:
    """Matched and unmatched tubes of each class.

    Attributes:
        iou (np.ndarray): Sum of the matched tubes' IoU, (C,), float64.
        tp (np.ndarray): Matched tubes, (C,), int64.
        fp (np.ndarray): Unmatched predicted tubes, (C,), int64.
        fn (np.ndarray): Unmatched tubes of the ground truth, (C,), int64.
        num_windows (int): Number of windows.
    """

    iou: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    num_windows: int

    @classmethod
    def zeros(cls, num_classes: int) -> 'TubeStats':
        """Make the stats of no video.

        Args:
            num_classes (int): C.

        Returns:
            TubeStats: Zeros.
        """
        tp, fp, fn = np.zeros((3, num_classes), np.int64)
        return cls(np.zeros(num_classes), tp, fp, fn, num_windows=0)

    def __add__(self, other: 'TubeStats') -> 'TubeStats':
        return TubeStats(
            self.iou + other.iou,
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.num_windows + other.num_windows,
        )

    def quality(self) -> dict[str, np.ndarray]:
        """Compute PQ, SQ and RQ of each class.

        Returns:
            dict[str, np.ndarray]: ``pq``, ``sq`` and ``rq``, each (C,), in
            [0, 1]; 0 for a class without tubes. ``counts``: (C,), bool,
            whether the class has tubes and contributes to averages.
        """
        tubes = self.tp + 0.5 * self.fp + 0.5 * self.fn
        return dict(
            pq=self.iou / np.maximum(tubes, 0.5),
            sq=self.iou / np.maximum(self.tp, 1),
            rq=self.tp / np.maximum(tubes, 0.5),
            counts=tubes > 0,
        )


class _Tubes:
    """Tubes of all windows of a video.

    A tube is one segment id in one window. Its category and crowd flag are
    those of its first frame in the window. Its area is the sum over all
    frames.

    Args:
        segments (Segments): The segments.
        num_frames (int): T.
        window (int): k, 1 to T.
    """

    def __init__(
        self, segments: Segments, num_frames: int, window: int
    ) -> None:
        # Tubes are numbered from 1; 0 is void.
        self.stride = segments.tubes.max(initial=0) + 1
        rows, windows = _windows_of(segments.frames, num_frames, window)
        keys = windows * self.stride + segments.tubes[rows]
        # Rows are in ascending order, so the first row of a key is in the
        # first frame.
        self.keys, first, inverse = np.unique(
            keys, return_index=True, return_inverse=True
        )
        self.first_rows = rows[first]
        self.windows = windows[first]
        self.labels = segments.labels[self.first_rows]
        self.is_crowd = segments.is_crowd[self.first_rows]
        self.areas = np.bincount(inverse, segments.areas[rows], len(self))

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, windows: np.ndarray, tubes: np.ndarray) -> np.ndarray:
        """Find the positions of tubes of a window.

        Args:
            windows (np.ndarray): Windows, (m,).
            tubes (np.ndarray): Numbers of tubes, (m,), 0 is void.

        Returns:
            np.ndarray: Positions, (m,), -1 is void.
        """
        found = np.searchsorted(self.keys, windows * self.stride + tubes)
        return np.where(tubes > 0, found, -1)

    def sum(self, values: np.ndarray, tubes: np.ndarray) -> np.ndarray:
        """Add up values by tube.

        Args:
            values (np.ndarray): Values, (m,).
            tubes (np.ndarray): The tube of each value, (m,).

        Returns:
            np.ndarray: Sums, one per tube.
        """
        return np.bincount(tubes, values, len(self))


def count_tubes(
    video: VideoCounts, window: int, num_classes: int
) -> TubeStats:
    """Match the tubes in all windows of a video.

    A predicted and an annotated tube match if they have one category, the
    annotated tube is no crowd, and their IoU is above 0.5. Pixels that are
    void in the ground truth do not count. An unmatched predicted tube is
    ignored if more than half of it is void or in the crowd of its category.
    If a window has several such crowds, only the last one in order of
    appearance counts.

    Args:
        video (VideoCounts): The video.
        window (int): k, the number of frames of a window.
        num_classes (int): C.

    Returns:
        TubeStats: Stats of the video; zeros if it is shorter than
        ``window``.

    Raises:
        InputError: If ``window`` is below 1, or an annotated area is smaller
            than its segment in the mask.
    """
    if window < 1:
        raise InputError(f'A window has 1 frame or more, not {window}.')
    if video.num_frames < window:
        return TubeStats.zeros(num_classes)
    gt = _Tubes(video.gt, video.num_frames, window)
    pred = _Tubes(video.pred, video.num_frames, window)
    gt_of, pred_of, shared = _shared_pixels(video, gt, pred, window)
    is_void = gt_of < 0
    void = pred.sum(shared[is_void], pred_of[is_void])
    gt_of, pred_of, shared = (a[~is_void] for a in (gt_of, pred_of, shared))

    is_same = gt.labels[gt_of] == pred.labels[pred_of]
    pairs = np.flatnonzero(is_same & ~gt.is_crowd[gt_of])
    union = pred.areas[pred_of] + gt.areas[gt_of] - shared - void[pred_of]
    _check_union(video, gt, union[pairs], shared[pairs], gt_of[pairs])
    iou = shared[pairs] / union[pairs]
    pairs, iou = pairs[iou > 0.5], iou[iou > 0.5]
    is_missed = ~gt.is_crowd
    is_missed[gt_of[pairs]] = False

    crowd = is_same & _is_last_crowd(gt, num_classes)[gt_of]
    ignored = void + pred.sum(shared[crowd], pred_of[crowd])
    is_false = ignored / pred.areas <= 0.5
    is_false[pred_of[pairs]] = False

    matched = gt.labels[gt_of[pairs]]
    return TubeStats(
        np.bincount(matched, iou, num_classes),
        np.bincount(matched, minlength=num_classes),
        np.bincount(pred.labels[is_false], minlength=num_classes),
        np.bincount(gt.labels[is_missed], minlength=num_classes),
        video.num_frames - window + 1,
    )


def _windows_of(
    frames: np.ndarray, num_frames: int, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """List the windows that contain frames.

    Args:
        frames (np.ndarray): Positions of frames, (n,).
        num_frames (int): T.
        window (int): k.

    Returns:
        tuple[np.ndarray]: Index into ``frames``, ascending, and first frame
        of the window, each (at most n * k,).
    """
    windows = frames[:, None] - np.arange(window)
    inside = (windows >= 0) & (windows <= num_frames - window)
    return np.nonzero(inside)[0], windows[inside]


def _shared_pixels(
    video: VideoCounts, gt: _Tubes, pred: _Tubes, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the pixels that tubes share in their windows.

    Args:
        video (VideoCounts): The video.
        gt (_Tubes): Annotated tubes.
        pred (_Tubes): Predicted tubes.
        window (int): k.

    Returns:
        tuple[np.ndarray]: Annotated tube (-1 is void), predicted tube and
        number of pixels of each pair, each (m,).
    """
    seen = video.pred_rows >= 0
    gt_rows, pred_rows = video.gt_rows[seen], video.pred_rows[seen]
    rows, windows = _windows_of(
        video.pred.frames[pred_rows], video.num_frames, window
    )
    # The index -1 (void) reads the appended number.
    gt_tubes = np.append(video.gt.tubes, 0)[gt_rows][rows]
    pred_tubes = video.pred.tubes[pred_rows][rows]
    keys = (windows * gt.stride + gt_tubes) * pred.stride + pred_tubes
    keys, first, inverse = np.unique(
        keys, return_index=True, return_inverse=True
    )
    windows, gt_tubes, pred_tubes = (
        a[first] for a in (windows, gt_tubes, pred_tubes)
    )
    return (
        gt.find(windows, gt_tubes),
        pred.find(windows, pred_tubes),
        np.bincount(inverse, video.counts[seen][rows], len(keys)),
    )


def _is_last_crowd(gt: _Tubes, num_classes: int) -> np.ndarray:
    """Find the last crowd tube of each category in each window, (n,) bool."""
    crowds = np.flatnonzero(gt.is_crowd)
    crowds = crowds[np.argsort(gt.first_rows[crowds])]
    groups = gt.windows[crowds] * num_classes + gt.labels[crowds]
    _, from_end = np.unique(groups[::-1], return_index=True)
    is_last = np.zeros(len(gt), bool)
    is_last[crowds[::-1][from_end]] = True
    return is_last


def _check_union(
    video: VideoCounts,
    gt: _Tubes,
    union: np.ndarray,
    shared: np.ndarray,
    gt_of: np.ndarray,
) -> None:
    """Check that no IoU is above 1."""
    bad = np.flatnonzero(shared > union)
    if len(bad):
        row = gt.first_rows[gt_of[bad[0]]]
        raise InputError(
            f'video {video.name}: the annotated areas of segment '
            f'{video.gt.ids[row]}, from frame number '
            f'{video.gt.frames[row]} on, are smaller than the segment.'
        )


def summarize_vpq(
    stats: dict[int, TubeStats], is_thing: Sequence[bool]
) -> dict[str, dict]:
    """Average the quality over classes and windows.

    Args:
        stats (dict[int, TubeStats]): Stats of all videos, by window.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).

    Returns:
        dict[str, dict]: ``windows``: for each window its number of
        ``windows``, and for ``All``, ``Things`` and ``Stuff`` the averages
        ``pq``, ``sq`` and ``rq`` in percent over the ``n`` classes that have
        tubes, and ``per_class`` (see :meth:`TubeStats.quality`, in percent).
        ``VPQ``: the mean of ``pq`` over the windows for ``All``, ``Things``
        and ``Stuff``, and ``per_class``. A value is None if there are no
        tubes to measure. Such a window is excluded from the mean.
    """
    is_thing = np.asarray(is_thing, bool)
    groups = dict(All=np.ones_like(is_thing), Things=is_thing, Stuff=~is_thing)
    windows: dict[int, dict] = {}
    for window, stat in stats.items():
        quality = stat.quality()
        counts = quality.pop('counts')
        windows[window] = dict(
            windows=stat.num_windows,
            per_class=[
                {
                    key: 100 * float(quality[key][label])
                    if counts[label]
                    else None
                    for key in quality
                }
                for label in range(len(counts))
            ],
        )
        for name, group in groups.items():
            chosen = counts & group
            windows[window][name] = dict(
                {
                    key: 100 * (_mean(values[chosen].tolist()) or 0.0)
                    if chosen.any()
                    else None
                    for key, values in quality.items()
                },
                n=int(chosen.sum()),
            )
    vpq: dict[str, Any] = {
        name: _mean([windows[k][name]['pq'] for k in windows])
        for name in groups
    }
    vpq['per_class'] = [
        _mean([windows[k]['per_class'][label]['pq'] for k in windows])
        for label in range(len(is_thing))
    ]
    return dict(VPQ=vpq, windows=windows)


def _mean(values: Sequence[float | None]) -> float | None:
    """Average the values that are not None; None if all are None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
