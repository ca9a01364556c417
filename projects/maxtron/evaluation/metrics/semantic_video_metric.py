# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video semantic segmentation as a metric of the runner."""

from collections.abc import Sequence

from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...errors import InputError
from ..functional import VC_WINDOWS, SemanticStats, summarize_semantic
from ..predicted_video import PredictedVideo
from ..reports import as_floats, semantic_report
from ..semantic_video import LabelCounter, LabelWriter
from .panoptic_video_metric import PanopticVideoMetric


@METRICS.register_module()
class SemanticVideoMetric(PanopticVideoMetric):
    """Mean IoU and video consistency of VSPW, from panoptic predictions.

    Reports, in percent, 'mIoU' and for each window 'mVC{k}'. See
    :class:`SemanticCounter` for the definition. A pixel without a segment has
    no class, which is wrong in mIoU. A value is nan if there is nothing to
    measure, such as no video of k frames.

    The code that published mVC16 pools its windows with those of mVC8, leaves
    out the last window of each video (so that a video of k frames has none),
    and counts void pixels.

    Args:
        windows (Sequence[int]): Lengths of the windows, in frames. Defaults
            to (8, 16).
        compatible (bool): Whether to compute mVC like the published code.
            Defaults to False.
        outfile_prefix (str, optional): Folder to write the labels to, as
            ``VIDEO/FRAME.png`` of one byte per pixel, 255 for no label.
            Defaults to None.
        prefix (str, optional): Defaults to None: 'vss'.
        **kwargs: See :class:`PanopticVideoMetric`.

    Raises:
        InputError: If a window is below 2, or there is no window.
    """

    default_prefix = 'vss'
    submission_key = 'labels'

    def __init__(
        self,
        windows: Sequence[int] = VC_WINDOWS,
        compatible: bool = False,
        **kwargs,
    ) -> None:
        if not windows or min(windows) < 2:
            raise InputError(
                f'windows must be numbers of frames, 2 or more: got {windows}.'
            )
        super().__init__(**kwargs)
        self.windows = tuple(windows)
        self.compatible = compatible
        self.counter_key = 'semantic', self.windows, compatible

    def make_counter(self, video: PredictedVideo) -> LabelCounter:
        """See :meth:`PanopticVideoMetric.make_counter`."""
        return LabelCounter(
            video,
            self.is_thing,
            self.backend_args,
            windows=self.windows,
            compatible=self.compatible,
        )

    def make_submission(self, video: PredictedVideo) -> LabelWriter:
        """See :meth:`PanopticVideoMetric.make_submission`."""
        assert self.outfile_prefix is not None
        return LabelWriter(video, self.outfile_prefix, len(self.is_thing))

    def finish_submission(self, videos: list[dict]) -> str:
        """See :meth:`PanopticVideoMetric.finish_submission`."""
        return (
            f'Wrote the labels of {len(videos)} videos to '
            f'{self.outfile_prefix}'
        )

    def measure(self, video: SemanticStats) -> SemanticStats:
        """Return the stats, which are small.

        Args:
            video (SemanticStats): Stats of the video.

        Returns:
            SemanticStats: The same.
        """
        return video

    def report(self, stats: list[SemanticStats]) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list[SemanticStats]): Stats of each video.

        Returns:
            dict[str, float]: Values by name.
        """
        summary = summarize_semantic(stats, self.compatible)
        MMLogger.get_current_instance().info(
            f'Semantic segmentation of {len(stats)} videos\n'
            f'{semantic_report(summary, self.table_names)}'
        )
        keys = 'mIoU', *(f'mVC{k}' for k in self.windows)
        return as_floats({key: summary[key] for key in keys})
