# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Matches of annotated and predicted segments in single frames.

A pair matches if its IoU is above 0.5, whatever the classes. Pixels without
annotation do not count. Such a pair is unique, because segments do not
overlap.
"""

from typing import NamedTuple

import numpy as np

from .video_counts import VideoCounts


class SegmentIoUs(NamedTuple):
    """IoU of the segments that overlap.

    Attributes:
        gt_rows (np.ndarray): Row of the annotated segment, (m,).
        pred_rows (np.ndarray): Row of the predicted segment, (m,).
        ious (np.ndarray): IoU in (0, 1], (m,), float64.
    """

    gt_rows: np.ndarray
    pred_rows: np.ndarray
    ious: np.ndarray


def segment_ious(video: VideoCounts) -> SegmentIoUs:
    """Compute the IoU of all pairs of segments that overlap.

    Args:
        video (VideoCounts): The video.

    Returns:
        SegmentIoUs: The pairs; each is in one frame.
    """
    labelled = video.gt_rows >= 0
    both = labelled & (video.pred_rows >= 0)
    # Every segment has pixels, which are counted in pairs.
    gt_areas = np.bincount(
        video.gt_rows[labelled], video.counts[labelled], len(video.gt.ids)
    )
    pred_areas = np.bincount(
        video.pred_rows[both], video.counts[both], len(video.pred.ids)
    )
    rows, others = video.gt_rows[both], video.pred_rows[both]
    shared = video.counts[both]
    union = gt_areas[rows] + pred_areas[others] - shared
    return SegmentIoUs(rows, others, shared / union)


def match_segments(video: VideoCounts) -> np.ndarray:
    """Match the annotated segments with predicted segments.

    Args:
        video (VideoCounts): The video.

    Returns:
        np.ndarray: For each row of ``video.gt`` the row of ``video.pred``, or
        -1 if there is none, (n,), int64.
    """
    rows, others, ious = segment_ious(video)
    matches = np.full(len(video.gt.ids), -1)
    matches[rows[ious > 0.5]] = others[ious > 0.5]
    return matches
