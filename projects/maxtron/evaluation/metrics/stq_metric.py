# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segmentation and tracking quality as a metric of the runner."""

from collections.abc import Iterable

from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...datasets.vipseg_categories import VIPSEG_CATEGORIES
from ..functional import (
    STQStats,
    VideoCounts,
    count_associations,
    summarize_stq,
)
from ..reports import stq_crowd_warning, stq_report
from .panoptic_video_metric import PanopticVideoMetric


def has_vipseg_classes(names: Iterable[str]) -> bool:
    """Return whether all classes are classes of VIPSeg.

    Args:
        names (Iterable[str]): Names of the classes.

    Returns:
        bool: True for VIPSeg and parts of it, False for other datasets.
    """
    return set(names) <= {c['name'] for c in VIPSEG_CATEGORIES}


@METRICS.register_module()
class STQMetric(PanopticVideoMetric):
    """Segmentation and tracking quality, as VIPSeg's tool measures it.

    Reports 'STQ' and its parts 'AQ' (association) and 'IoU' (of the
    classes), in [0, 1].

    VIPSeg's tool ignores the tube of the first listed segment of a video if it
    is a thing, because instance number 0 means crowd. The metric warns each
    time this rule takes effect. Without it, the segments with ``iscrowd`` are
    ignored, as in KITTI-STEP.

    Args:
        first_is_crowd (bool, optional): Whether this rule applies. Defaults to
            None: ``first_is_crowd`` in metainfo of the dataset is used.
            Without it the rule applies to VIPSeg's classes only.
        **kwargs: See :class:`PanopticVideoMetric`.
    """

    def __init__(self, first_is_crowd: bool | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.first_is_crowd = first_is_crowd

    @property
    def applies_crowd_rule(self) -> bool:
        """bool: Whether the first listed thing of a video is a crowd."""
        if self.first_is_crowd is not None:
            return self.first_is_crowd
        stated = self.dataset_meta.get('first_is_crowd')
        if stated is not None:
            return stated
        return has_vipseg_classes(self.dataset_meta['classes'])

    def measure(self, video: VideoCounts) -> STQStats:
        """Compare tubes and classes of a video.

        Args:
            video (VideoCounts): Counts of the video.

        Returns:
            STQStats: Stats of the video.
        """
        return count_associations(
            video, self.is_thing, self.applies_crowd_rule
        )

    def export(self, stats: STQStats) -> dict:
        """See :meth:`PanopticVideoMetric.export`.

        Args:
            stats (STQStats): Stats of a video.

        Returns:
            dict: Item of the input of :func:`resample_stq`.
        """
        return dict(
            association=stats.association,
            num_tubes=stats.num_tubes,
            pixels=stats.pixels.tolist(),
        )

    def report(self, stats: list[STQStats]) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list[STQStats]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        summary = summarize_stq(stats)
        logger = MMLogger.get_current_instance()
        logger.info(
            f'STQ of {len(stats)} videos\n'
            f'{stq_report(summary, self.table_names)}'
        )
        warning = stq_crowd_warning(
            stats, 'STQMetric(first_is_crowd=False) counts it.'
        )
        if warning:
            logger.warning(warning)
        return {key: summary[key] for key in ('STQ', 'AQ', 'IoU')}
