# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracking metrics of the runner, for both tasks."""

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import MMLogger
from pycocotools import mask as mask_utils

from ...errors import InputError
from ..functional import VideoCounts
from ..functional.tracking import (
    TrackStats,
    make_frames,
    measure_tracks,
    panoptic_tracks,
    summarize_tracks,
)
from ..reports import as_floats, tracking_report
from .panoptic_video_metric import PanopticVideoMetric
from .youtube_vis_metric import ClipYouTubeVISMetric


@METRICS.register_module()
class TrackingMetric(PanopticVideoMetric):
    """HOTA, DetA, AssA, IDF1 and identity switches of things.

    The values are in percent, except the number 'IDSW'; see
    :func:`summarize_tracks`. TrackEval, which is optional, computes them.

    Args:
        **kwargs: See :class:`PanopticVideoMetric`.
    """

    def measure(self, video: VideoCounts) -> dict[int, TrackStats]:
        """Measure the tracks of a video.

        Args:
            video (VideoCounts): Counts of the video.

        Returns:
            dict[int, dict]: Stats by label.
        """
        tracks = panoptic_tracks(video, self.is_thing)
        return {label: measure_tracks(x) for label, x in tracks.items()}

    def report(self, stats: list[dict[int, TrackStats]]) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list[dict]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        return _report(stats, self.dataset_meta['classes'], self.classwise)


@METRICS.register_module()
class InstanceTrackingMetric(ClipYouTubeVISMetric):
    """HOTA, DetA, AssA, IDF1 and identity switches of instances.

    Unlike AP, these metrics take every prediction as certain, so a threshold
    selects them. A prediction may overlap others.

    Args:
        score_thr (float): Least score of a predicted track. Defaults to 0.3.
        **kwargs: See :class:`ClipYouTubeVISMetric`.

    Raises:
        InputError: If ``score_thr`` is not in [0, 1).
    """

    def __init__(self, *args, score_thr: float = 0.3, **kwargs) -> None:
        if not 0 <= score_thr < 1:
            raise InputError(
                f'score_thr of InstanceTrackingMetric is {score_thr}; it must '
                'be in [0, 1).'
            )
        super().__init__(*args, **kwargs)
        self.score_thr = score_thr

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate all videos that have ground truth.

        Args:
            results (list[tuple]): Meta info, ground truth and predictions of
                each video.

        Returns:
            dict[str, float]: Values by name.
        """
        by_id = {str(result[0]['id']): result for result in results}
        stats = [
            {
                label: measure_tracks(x)
                for label, x in self._tracks(gts, preds).items()
            }
            for _, gts, preds in by_id.values()
        ]
        if not any(gts for _, gts, _ in by_id.values()):
            self._explain_missing_gt([video for video, *_ in by_id.values()])
            return dict()
        return _report(stats, self.dataset_meta['classes'], self.classwise)

    def _tracks(self, gts: list[dict], preds: list[dict]) -> dict[int, dict]:
        """List the tracks of each class of a video.

        Predictions of which more than half is in a crowd of their class are
        left out.
        """
        tracks = {}
        preds = [pred for pred in preds if pred['score'] >= self.score_thr]
        for label in {x['category_id'] - 1 for x in gts + preds}:
            own, crowds = (
                [
                    gt
                    for gt in gts
                    if gt['category_id'] == label + 1
                    and bool(gt.get('iscrowd')) == is_crowd
                ]
                for is_crowd in (False, True)
            )
            other = [x for x in preds if x['category_id'] == label + 1]
            lengths = [len(x['segmentations']) for x in gts + preds]
            frames: tuple[list, list, list] = ([], [], [])
            for t in range(max(lengths)):
                frame = _compare_frame(own, crowds, other, t)
                for values, value in zip(frames, frame):
                    values.append(value)
            tracks[label] = make_frames(*frames)
        return tracks


def _compare_frame(
    gts: list[dict], crowds: list[dict], preds: list[dict], t: int
) -> tuple[list[int], list[int], np.ndarray]:
    """Compare the masks of a frame.

    Args:
        gts (list[dict]): Annotated tracks.
        crowds (list[dict]): Crowds.
        preds (list[dict]): Predicted tracks.
        t (int): The frame.

    Returns:
        tuple: Positions of the visible annotated and predicted tracks, and
        their IoU, shape (n, m).
    """
    rows, columns = (
        [i for i, x in enumerate(tracks) if x['segmentations'][t]]
        for tracks in (gts, preds)
    )
    masks = [preds[i]['segmentations'][t] for i in columns]
    ious = np.zeros((len(masks), len(rows)))
    if masks and rows:
        truth = [gts[i]['segmentations'][t] for i in rows]
        ious = np.asarray(mask_utils.iou(masks, truth, [0] * len(truth)))
    hidden = [x['segmentations'][t] for x in crowds if x['segmentations'][t]]
    if masks and hidden:
        # With crowds, the IoU is the share of the prediction in the crowd.
        shares = np.asarray(mask_utils.iou(masks, hidden, [1] * len(hidden)))
        kept = (shares.max(1) <= 0.5) | (ious.max(1, initial=0) > 0.5)
        columns = [i for i, is_kept in zip(columns, kept) if is_kept]
        ious = ious[kept]
    return rows, columns, ious.T


def _report(
    stats: list[dict[int, TrackStats]], classes: list[str], classwise: bool
) -> dict[str, float]:
    """Summarize and log the stats of videos."""
    summary = summarize_tracks(stats)
    names = classes if classwise else None
    MMLogger.get_current_instance().info(
        f'Tracks of {len(stats)} videos\n{tracking_report(summary, names)}'
    )
    del summary['per_class']
    return as_floats(summary)
