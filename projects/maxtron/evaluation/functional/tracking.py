# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracking metrics of masks by TrackEval: HOTA, IDF1 and identity switches.

HOTA, DetA and AssA: Luiten et al., "HOTA: A Higher Order Metric for
Evaluating Multi-object Tracking", 2020. IDF1: Ristani et al., 2016. Identity
switches: Bernardin and Stiefelhagen, 2008. The similarity is the IoU of masks.
Each class is measured alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from .segment_matches import segment_ious
from .video_counts import VideoCounts

# Values of TrackEval: class, its field, and our name.
_VALUES = {
    'HOTA': ('HOTA', 'HOTA'),
    'DetA': ('HOTA', 'DetA'),
    'AssA': ('HOTA', 'AssA'),
    'IDF1': ('Identity', 'IDF1'),
    'IDSW': ('CLEAR', 'IDSW'),
}
TrackStats = dict[str, dict[str, Any]]


def make_frames(
    gt_ids: Sequence[Sequence[int]],
    pred_ids: Sequence[Sequence[int]],
    ious: Sequence[np.ndarray],
) -> dict[str, Any]:
    """Make the input of :func:`measure_tracks`.

    Args:
        gt_ids (Sequence[Sequence[int]]): Ids of the annotated objects of each
            frame.
        pred_ids (Sequence[Sequence[int]]): Ids of the predicted objects.
        ious (Sequence[np.ndarray]): IoU of all pairs of each frame, (n, m).

    Returns:
        dict: Data of TrackEval, with ids from 0 without gaps.
    """
    sides: dict[str, Any] = {}
    for name, frames in (('gt', gt_ids), ('tracker', pred_ids)):
        numbers: dict[int, int] = {}
        sides[f'{name}_ids'] = [
            np.array([numbers.setdefault(i, len(numbers)) for i in ids], int)
            for ids in frames
        ]
        sides[f'num_{name}_ids'] = len(numbers)
        sides[f'num_{name}_dets'] = sum(map(len, frames))
    return dict(
        sides,
        similarity_scores=[np.asarray(x, float) for x in ious],
        num_timesteps=len(ious),
    )


def panoptic_tracks(
    video: VideoCounts, is_thing: Sequence[bool]
) -> dict[int, dict]:
    """List the tracks of each class of things of a panoptic video.

    Pixels without annotation do not count. A predicted segment of which more
    than half is void or in a crowd of its class, and which has no IoU above
    0.5 with an annotated segment of its class, is left out, as in VPQ.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).

    Returns:
        dict[int, dict]: Input of :func:`measure_tracks` by label, for all
        classes that are annotated or predicted.
    """
    gt, pred = video.gt, video.pred
    pairs = segment_ious(video)
    good = gt.labels[pairs.gt_rows] == pred.labels[pairs.pred_rows]
    good &= ~gt.is_crowd[pairs.gt_rows]
    rows, others, ious = (x[good] for x in pairs)
    ignored = _ignored_pixels(video) > 0.5 * pred.areas
    ignored[others[ious > 0.5]] = False
    tracks = {}
    for label in np.flatnonzero(is_thing).tolist():
        chosen = (gt.labels == label) & ~gt.is_crowd
        found = (pred.labels == label) & ~ignored
        if not chosen.any() and not found.any():
            continue
        frames: tuple[list, list, list] = ([], [], [])
        for t in range(video.num_frames):
            own = np.flatnonzero(chosen & (gt.frames == t))
            other = np.flatnonzero(found & (pred.frames == t))
            iou = np.zeros((len(gt.ids), len(pred.ids)))[own][:, other]
            inside = np.isin(rows, own) & np.isin(others, other)
            iou[
                np.searchsorted(own, rows[inside]),
                np.searchsorted(other, others[inside]),
            ] = ious[inside]
            for values, value in zip(
                frames, (gt.ids[own], pred.ids[other], iou)
            ):
                values.append(value)
        tracks[label] = make_frames(*frames)
    return tracks


def _ignored_pixels(video: VideoCounts) -> np.ndarray:
    """Count void pixels, and pixels in a crowd of the class, (n_pred,)."""
    labels = np.append(video.pred.labels, -1)[video.pred_rows]
    is_crowd = np.append(video.gt.is_crowd, True)[video.gt_rows]
    same = np.append(video.gt.labels, -1)[video.gt_rows] == labels
    ignored = (video.pred_rows >= 0) & is_crowd
    ignored &= same | (video.gt_rows < 0)
    return np.bincount(
        video.pred_rows[ignored], video.counts[ignored], len(video.pred.ids)
    )


def measure_tracks(data: dict[str, Any]) -> TrackStats:
    """Measure the tracks of a class in a video.

    Args:
        data (dict): Result of :func:`make_frames`.

    Returns:
        dict[str, dict]: Counts of TrackEval by its metric.

    Raises:
        InputError: If TrackEval is not installed.
    """
    return {
        name: metric.eval_sequence(data) for name, metric in _metrics().items()
    }


def summarize_tracks(
    videos: Sequence[dict[int, TrackStats]],
) -> dict[str, Any]:
    """Summarize the tracks of all videos.

    Args:
        videos (Sequence[dict[int, dict]]): For each video the results of
            :func:`measure_tracks` by label.

    Returns:
        dict[str, Any]: HOTA, DetA, AssA (means over their thresholds) and
        IDF1 in percent, averaged over the classes, and the number IDSW of all
        classes; None without tracks. ``per_class``: the same by label.
    """
    labels = sorted({label for video in videos for label in video})
    classes = {}
    for label in labels:
        of_label = [video[label] for video in videos if label in video]
        classes[label] = {
            name: metric.combine_sequences(
                {str(i): stats[name] for i, stats in enumerate(of_label)}
            )
            for name, metric in _metrics().items()
        }
    if not classes:
        return dict(dict.fromkeys(_VALUES), per_class={})
    averages = {
        name: metric.combine_classes_class_averaged(
            {str(label): stats[name] for label, stats in classes.items()}
        )
        for name, metric in _metrics().items()
    }
    return dict(
        _read(averages),
        per_class={label: _read(stats) for label, stats in classes.items()},
    )


def _read(stats: TrackStats) -> dict[str, float | int]:
    """Read our values from TrackEval's."""
    values = {
        name: float(np.mean(stats[metric][field]))
        for name, (metric, field) in _VALUES.items()
    }
    return {
        name: int(value) if name == 'IDSW' else 100 * value
        for name, value in values.items()
    }


def _metrics() -> dict[str, Any]:
    """Make the metrics of TrackEval, which is optional."""
    try:
        from trackeval import metrics
    except ImportError as error:
        raise InputError(
            'Tracking metrics need TrackEval: pip install --no-deps '
            'trackeval==1.3.0 tabulate'
        ) from error
    return {
        'HOTA': metrics.HOTA(),
        'CLEAR': metrics.CLEAR(dict(PRINT_CONFIG=False)),
        'Identity': metrics.Identity(dict(PRINT_CONFIG=False)),
    }
