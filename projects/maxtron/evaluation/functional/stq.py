# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segmentation and tracking quality (Weber et al., "STEP", 2021).

The computation reproduces two peculiarities of VIPSeg's tool. A tube that
changes its category counts as two tubes. The first listed segment of a video
is a crowd if it is a thing; this rule can be switched off. Without it, the
annotated crowds are crowds, as in STEP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .video_counts import Segments, VideoCounts

_FIRST_TUBE = (
    1  # VIPSeg's tool gives this segment instance number 0, which means crowd.
)


@dataclass
class STQStats:
    """Sums of a video for STQ.

    Attributes:
        name (str): Name of the video.
        num_frames (int): Number of frames.
        association (float): Sum of the association quality of the tubes.
        num_tubes (int): Number of thing tubes of the ground truth.
        pixels (np.ndarray): (3, C + 1), int64: labelled pixels of each class
            that are predicted correctly, annotated, and predicted. The last
            column is void.
        crowd_id (int | None): Id of the first listed segment if it is ignored
            as a crowd. Defaults to None.
    """

    name: str
    num_frames: int
    association: float
    num_tubes: int
    pixels: np.ndarray
    crowd_id: int | None = None

    @property
    def association_quality(self) -> float:
        """float: AQ of the video, 0 without tubes."""
        return self.association / max(self.num_tubes, 1)


def count_associations(
    video: VideoCounts, is_thing: Sequence[bool], first_is_crowd: bool = True
) -> STQStats:
    """Compare the tubes and classes of a video.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        first_is_crowd (bool): Whether the first listed segment of the video
            is a crowd if it is a thing, as in VIPSeg's tool, in place of the
            segments that are annotated as crowds. Tubes of crowds do not
            count. Defaults to True.

    Returns:
        STQStats: Stats of the video.
    """
    # The index -1 (void) reads the appended value.
    is_thing = np.append(np.asarray(is_thing, bool), False)
    void = len(is_thing) - 1
    gt_labels = np.append(video.gt.labels, void)[video.gt_rows]
    pred_labels = np.append(video.pred.labels, void)[video.pred_rows]
    gt_things, pred_things = is_thing[gt_labels], is_thing[pred_labels]
    crowds = (
        video.gt.tubes == _FIRST_TUBE if first_is_crowd else video.gt.is_crowd
    )
    is_crowd = np.append(crowds, False)[video.gt_rows] & gt_things
    gt_things, pred_things = gt_things & ~is_crowd, pred_things & ~is_crowd

    gt_tubes = _number_tubes(video.gt)[video.gt_rows]
    pred_tubes = _number_tubes(video.pred)[video.pred_rows]
    # Every tube has pixels, which are counted in pairs.
    gt_sizes = np.bincount(gt_tubes[gt_things], video.counts[gt_things])
    pred_sizes = np.bincount(
        pred_tubes[pred_things], video.counts[pred_things]
    )
    both = gt_things & pred_things
    stride = pred_tubes.max(initial=0) + 1
    keys, pairs = np.unique(
        gt_tubes[both] * stride + pred_tubes[both], return_inverse=True
    )
    shared = np.bincount(pairs, video.counts[both], len(keys))
    gt_size, pred_size = gt_sizes[keys // stride], pred_sizes[keys % stride]
    iou = shared / (gt_size + pred_size - shared)

    return STQStats(
        video.name,
        video.num_frames,
        float((shared * iou / gt_size).sum()),
        int((gt_sizes > 0).sum()),
        _count_pixels(gt_labels, pred_labels, video.counts, void),
        int(video.gt.ids[video.gt_rows[is_crowd][0]])
        if first_is_crowd and is_crowd.any()
        else None,
    )


def _count_pixels(
    gt_labels: np.ndarray,
    pred_labels: np.ndarray,
    counts: np.ndarray,
    void: int,
) -> np.ndarray:
    """Count the labelled pixels of each class, see :class:`STQStats`.

    Args:
        gt_labels (np.ndarray): Label of each pair of segments, (m,).
        pred_labels (np.ndarray): Predicted label of each pair, (m,).
        counts (np.ndarray): Pixels of each pair, (m,).
        void (int): Label of void, after those of the C classes.

    Returns:
        np.ndarray: Correct, annotated and predicted pixels, (3, C + 1), int64.
    """
    is_labelled = gt_labels != void
    counts = counts[is_labelled]
    gt_labels, pred_labels = gt_labels[is_labelled], pred_labels[is_labelled]
    right = gt_labels == pred_labels
    pixels = [
        np.bincount(gt_labels[right], counts[right], void + 1),
        np.bincount(gt_labels, counts, void + 1),
        np.bincount(pred_labels, counts, void + 1),
    ]
    return np.asarray(pixels, np.int64)


def _number_tubes(segments: Segments) -> np.ndarray:
    """Number the tubes by id and category, (n + 1,), void last."""
    stride = segments.labels.max(initial=0) + 1
    keys = segments.tubes * stride + segments.labels
    return np.append(np.unique(keys, return_inverse=True)[1], 0)


def _mean_iou(pixels: np.ndarray) -> float:
    """Compute the mean IoU over classes that are annotated or predicted.

    Void counts as a class of IoU 0 if it is predicted at labelled pixels.
    """
    right, annotated, predicted = pixels
    union = annotated + predicted - right
    return float(
        (right / np.maximum(union, 1)).sum() / max(np.count_nonzero(union), 1)
    )


def summarize_stq(stats: Sequence[STQStats]) -> dict[str, Any]:
    """Average over videos.

    Args:
        stats (Sequence[STQStats]): One item per video.

    Returns:
        dict[str, Any]: ``STQ``, ``AQ`` and ``IoU`` in [0, 1];
        ``per_class``, the IoU of each class, None for one that is neither
        annotated nor predicted; ``per_video``, a list of dicts with
        ``video_id``, ``length`` and the three values.
    """
    num_tubes = sum(video.num_tubes for video in stats)
    association = sum(video.association for video in stats)
    pixels = np.sum([video.pixels for video in stats], axis=0)
    per_video: list[dict] = []
    for video in stats:
        values = _values(video.association_quality, _mean_iou(video.pixels))
        per_video.append(
            dict(video_id=video.name, length=video.num_frames, **values)
        )
    right, annotated, predicted = pixels[:, :-1]
    union = annotated + predicted - right
    return dict(
        _values(association / max(num_tubes, 1), _mean_iou(pixels)),
        per_class=[float(r / u) if u else None for r, u in zip(right, union)],
        per_video=per_video,
    )


def _values(association: float, iou: float) -> dict[str, float]:
    return dict(STQ=(association * iou) ** 0.5, AQ=association, IoU=iou)
