# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.

from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ..functional import (
    STQStats,
    VideoCounts,
    count_associations,
    summarize_stq,
)
from ..reports import stq_report
from .panoptic_video_metric import PanopticVideoMetric


@METRICS.register_module()
class STQMetric(PanopticVideoMetric):
    """Segmentation and tracking quality, as VIPSeg's tool measures it.

    Reports 'STQ' and its parts 'AQ' (association) and 'IoU' (of the
    classes), in [0, 1].

    Args:
        **kwargs: See :class:`PanopticVideoMetric`.
    """

    def measure(self, video: VideoCounts) -> STQStats:
        """Compare tubes and classes of a video.

        Args:
            video (:obj:`VideoCounts`): Its pixels.

        Returns:
            :obj:`STQStats`: Stats of the video.
        """
        return count_associations(video, self.is_thing)

    def report(self, stats: list[STQStats]) -> dict[str, float]:
        """Sum up and log.

        Args:
            stats (list[:obj:`STQStats`]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        summary = summarize_stq(stats)
        MMLogger.get_current_instance().info(
            f'STQ of {len(stats)} videos\n'
            f'{stq_report(summary, self.table_names)}'
        )
        return {key: summary[key] for key in ('STQ', 'AQ', 'IoU')}
