# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video panoptic quality as a metric of the runner."""

from collections.abc import Sequence

from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...errors import InputError
from ..functional import (
    WINDOWS,
    TubeStats,
    VideoCounts,
    count_tubes,
    summarize_vpq,
)
from ..reports import as_floats, vpq_report
from .panoptic_video_metric import PanopticVideoMetric

_SUFFIXES = dict(All='', Things='_Th', Stuff='_St')


@METRICS.register_module()
class VPQMetric(PanopticVideoMetric):
    """Video panoptic quality of VIPSeg.

    Reports, in percent, 'VPQ', 'VPQ_Th' and 'VPQ_St' and for each window
    'VPQ_{k}', 'VPQ_{k}_Th' and 'VPQ_{k}_St'. A value is nan if there is
    nothing to measure, such as no video of k frames. The means exclude such a
    window, and the metric warns.

    Args:
        windows (Sequence[int]): Lengths of the windows, in frames. Defaults
            to (1, 2, 4, 6).
        **kwargs: See :class:`PanopticVideoMetric`.

    Raises:
        InputError: If a window is below 1, or there is no window.
    """

    def __init__(self, windows: Sequence[int] = WINDOWS, **kwargs) -> None:
        if not windows or min(windows) < 1:
            raise InputError(
                f'windows must be numbers of frames, 1 or more: got {windows}.'
            )
        super().__init__(**kwargs)
        self.windows = tuple(windows)

    def measure(self, video: VideoCounts) -> dict[int, TubeStats]:
        """Match the tubes of a video.

        Args:
            video (VideoCounts): Counts of the video.

        Returns:
            dict[int, TubeStats]: Stats by window.
        """
        num_classes = len(self.dataset_meta['classes'])
        return {k: count_tubes(video, k, num_classes) for k in self.windows}

    def export(self, stats: dict[int, TubeStats]) -> list:
        """See :meth:`PanopticVideoMetric.export`.

        Args:
            stats (dict[int, TubeStats]): Stats of a video.

        Returns:
            list: Shape (W, C, 4), see :func:`resample_vpq`.
        """
        return [
            list(zip(*(x.tolist() for x in (s.iou, s.tp, s.fp, s.fn))))
            for s in stats.values()
        ]

    def report(self, stats: list[dict[int, TubeStats]]) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list[dict[int, TubeStats]]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        zero = TubeStats.zeros(len(self.dataset_meta['classes']))
        summary = summarize_vpq(
            {
                k: sum((video[k] for video in stats), zero)
                for k in self.windows
            },
            self.is_thing,
        )
        logger = MMLogger.get_current_instance()
        logger.info(
            f'VPQ of {len(stats)} videos\n'
            f'{vpq_report(summary, self.table_names)}'
        )
        empty = [
            k for k in self.windows if not summary['windows'][k]['windows']
        ]
        if empty:
            logger.warning(
                f'No video has {min(empty)} frames or more: VPQ is the mean '
                f'without the windows {empty}.'
            )
        values = {
            f'VPQ{suffix}': summary['VPQ'][group]
            for group, suffix in _SUFFIXES.items()
        }
        values.update(
            {
                f'VPQ_{k}{suffix}': summary['windows'][k][group]['pq']
                for k in self.windows
                for group, suffix in _SUFFIXES.items()
            }
        )
        return as_floats(values)
