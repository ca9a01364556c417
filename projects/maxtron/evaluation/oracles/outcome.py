# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Outcome of a test: its errors can be corrected by oracles."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..functional import (
    WINDOWS,
    TubeStats,
    VideoCounts,
    count_associations,
    count_tubes,
    summarize_stq,
    summarize_vpq,
)
from .instances import (
    INSTANCE_ORACLES,
    InstanceVideo,
    apply_instance_oracles,
    tube_ious,
)
from .panoptic import ORACLES, apply_oracles


class Track(NamedTuple):
    """An annotated thing.

    Attributes:
        length (int): Number of annotated frames that show it.
        gap (int): Largest number of annotated frames without it between two
            frames that show it.
        quality (float): How well it is tracked, in [0, 1].
    """

    length: int
    gap: int
    quality: float

    @classmethod
    def make(cls, frames: Sequence[int], quality: float) -> 'Track':
        """Make a track from the numbers of the frames that show it."""
        gaps = np.diff(np.sort(frames)) - 1
        return cls(len(frames), int(gaps.max(initial=0)), float(quality))


class Outcome(ABC):
    """Results of a test with their ground truth.

    Attributes:
        classes (list[str]): Names of the classes.
        oracles (list[str]): Names of the oracles in order.
        class_metric (str): Metric of :meth:`class_values`.
    """

    classes: list[str]
    oracles: list[str]
    class_metric: str

    @abstractmethod
    def correct(self, names: Sequence[str]) -> 'Outcome':
        """Return results of which oracles corrected the errors.

        Args:
            names (Sequence[str]): Names of the oracles, in order.

        Returns:
            Outcome: The corrected results.
        """

    @abstractmethod
    def values(self) -> dict[str, float | None]:
        """Compute the metrics, in percent; None: nothing to measure."""

    @abstractmethod
    def class_values(self) -> list[float | None]:
        """Compute ``class_metric`` of each class, in percent."""

    @abstractmethod
    def tracks(self) -> list[Track]:
        """List the annotated things of all videos."""


class PanopticOutcome(Outcome):
    """Results of video panoptic segmentation.

    The quality of a track is its part of the association quality of STQ.

    Args:
        videos (Sequence[VideoCounts]): Counts of the videos.
        classes (Sequence[str]): Names of the classes.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        first_is_crowd (bool): See :func:`count_associations`.
        windows (Sequence[int]): Windows of VPQ. Defaults to 1, 2, 4 and 6.
    """

    class_metric = 'VPQ'

    def __init__(
        self,
        videos: Sequence[VideoCounts],
        classes: Sequence[str],
        is_thing: Sequence[bool],
        first_is_crowd: bool,
        windows: Sequence[int] = WINDOWS,
    ) -> None:
        self.videos = list(videos)
        self.classes = list(classes)
        self.is_thing = np.asarray(is_thing, bool)
        self.first_is_crowd = first_is_crowd
        self.windows = windows
        self.oracles = list(ORACLES)
        zero = TubeStats.zeros(len(self.classes))
        self._vpq = summarize_vpq(
            {
                k: sum(
                    (count_tubes(v, k, len(self.classes)) for v in videos),
                    zero,
                )
                for k in windows
            },
            self.is_thing,
        )['VPQ']

    def correct(self, names: Sequence[str]) -> 'PanopticOutcome':
        """See :meth:`Outcome.correct`."""
        return PanopticOutcome(
            [apply_oracles(v, self.is_thing, names) for v in self.videos],
            self.classes,
            self.is_thing,
            self.first_is_crowd,
            self.windows,
        )

    def values(self) -> dict[str, float | None]:
        """See :meth:`Outcome.values`."""
        stq = summarize_stq(
            [
                count_associations(v, self.is_thing, self.first_is_crowd)
                for v in self.videos
            ]
        )
        return {
            'VPQ': self._vpq['All'],
            'VPQ_Th': self._vpq['Things'],
            'VPQ_St': self._vpq['Stuff'],
            **{key: 100 * stq[key] for key in ('STQ', 'AQ', 'IoU')},
        }

    def class_values(self) -> list[float | None]:
        """See :meth:`Outcome.class_values`."""
        return self._vpq['per_class']

    def tracks(self) -> list[Track]:
        """See :meth:`Outcome.tracks`."""
        return [
            track for video in self.videos for track in self._tracks(video)
        ]

    def _tracks(self, video: VideoCounts) -> list[Track]:
        """List the annotated things of a video."""
        gt_tubes = np.append(video.gt.tubes, 0)[video.gt_rows]
        pred_labels = np.append(video.pred.labels, -1)[video.pred_rows]
        pred_things = np.append(self.is_thing, False)[pred_labels]
        pred_tubes = np.append(video.pred.tubes, 0)[video.pred_rows]
        shared = np.zeros((gt_tubes.max(initial=0) + 1, pred_tubes.max() + 1))
        np.add.at(shared, (gt_tubes, pred_tubes * pred_things), video.counts)
        gt_sizes, pred_sizes = shared.sum(1), shared.sum(0)
        shared[:, 0] = 0  # void and predicted stuff
        ious = shared / np.maximum(gt_sizes[:, None] + pred_sizes - shared, 1)
        quality = (shared * ious).sum(1) / np.maximum(gt_sizes, 1)
        tracks = []
        things = self.is_thing[video.gt.labels] & ~video.gt.is_crowd
        for tube in np.unique(video.gt.tubes[things]).tolist():
            frames = video.gt.frames[things & (video.gt.tubes == tube)]
            tracks.append(Track.make(frames, quality[tube]))
        return tracks


class InstanceOutcome(Outcome):
    """Results of video instance segmentation.

    The quality of a track is the IoU of its tube with the predicted track of
    its class that matches it: the one with the highest score of those with an
    IoU of 0.5 or more, 0 without one.

    Args:
        videos (Sequence[tuple[dict, InstanceVideo]]): Description and tracks
            of each video.
        classes (Sequence[str]): Names of the classes.
    """

    class_metric = 'AP'

    def __init__(
        self,
        videos: Sequence[tuple[dict, InstanceVideo]],
        classes: Sequence[str],
    ) -> None:
        # MMDetection's metric loads the whole library.
        from ..metrics import ClipYouTubeVISMetric

        self.videos = list(videos)
        self.classes = list(classes)
        self.oracles = list(INSTANCE_ORACLES)
        metric = ClipYouTubeVISMetric(
            metric_items=('mAP', 'mAP_50', 'mAP_75', 'AR@10'), classwise=True
        )
        metric.dataset_meta = dict(classes=self.classes)
        self._values = metric.compute_metrics(
            [(about, video.gts, video.preds) for about, video in self.videos]
        )

    def correct(self, names: Sequence[str]) -> 'InstanceOutcome':
        """See :meth:`Outcome.correct`."""
        return InstanceOutcome(
            [
                (about, apply_instance_oracles(video, names))
                for about, video in self.videos
            ],
            self.classes,
        )

    def values(self) -> dict[str, float | None]:
        """See :meth:`Outcome.values`."""
        names = {
            'AP': 'mAP',
            'AP50': 'mAP_50',
            'AP75': 'mAP_75',
            'AR10': 'AR@10',
        }
        return {
            name: 100 * self._values[f'segm_{key}']
            for name, key in names.items()
        }

    def class_values(self) -> list[float | None]:
        """See :meth:`Outcome.class_values`."""
        values = [self._values.get(f'{x}_precision') for x in self.classes]
        return [None if value is None else 100 * value for value in values]

    def tracks(self) -> list[Track]:
        """See :meth:`Outcome.tracks`."""
        tracks = []
        for _, video in self.videos:
            gts = [gt for gt in video.gts if not gt.get('iscrowd')]
            preds = sorted(video.preds, key=lambda pred: -pred['score'])
            ious = tube_ious(gts, preds)  # (m, n)
            same = np.equal.outer(
                [pred['category_id'] for pred in preds],
                [gt['category_id'] for gt in gts],
            )
            ious = np.where(same & (ious >= 0.5), ious, 0.0)
            for gt, column in zip(gts, ious.T, strict=True):
                shown = [
                    t for t, mask in enumerate(gt['segmentations']) if mask
                ]
                tracks.append(Track.make(shown, column[column > 0][:1].sum()))
        return tracks
