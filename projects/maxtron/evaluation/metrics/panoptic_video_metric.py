# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Base class of the metrics of video panoptic and semantic segmentation."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    is_main_process,
)
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...errors import InputError
from ...pipeline import run_in_thread
from ...structures import (
    check_distinct_frames,
    metainfo_categories,
    thing_flags,
)
from ...utils import natural_key
from ..panoptic_evaluator import (
    FrameConsumer,
    GroundTruthCounter,
    PanopticVideoEvaluator,
    VideoSubmission,
)
from ..predicted_video import PredictedVideo
from ..sample_fields import require_fields
from ..submission import write_pred_json


class VideoResult(NamedTuple):
    """Result of a video, exchanged between processes.

    Attributes:
        name (str): Name of the video.
        source (str): Path of the first frame, which distinguishes videos of
            the same name.
        stats (Any): Result of :meth:`PanopticVideoMetric.measure`; None
            without ground truth.
        submission (dict, optional): Entry of the video in pred.json.
    """

    name: str
    source: str
    stats: Any = None
    submission: dict | None = None

    @property
    def submission_frames(self) -> list[dict]:
        """list[dict]: Frames of the submission, if there is one."""
        return self.submission['annotations'] if self.submission else []


class PanopticVideoMetric(BaseMetric):
    """Base class of metrics that count the pixels of predicted videos.

    Every frame of a sample has ``pred_panoptic_map``
    (:class:`~projects.maxtron.structures.PanopticMap`) and the metainfo
    ``img_path``, ``frame_id``, ``video_length``, ``video_id`` (without it,
    the folder of the frames names the video) and, if there is ground truth,
    ``seg_map_path`` and ``segments_info`` (``id``, ``category``, which is the
    label, and optionally ``iscrowd``; areas are counted). If
    ``segments_info`` is None, the mask is a raw one of VIPSeg (one channel).
    A mask is read and a prediction decoded once for all metrics. A video is
    measured in another thread while the model predicts the next one.

    Args:
        classwise (bool): Whether to log a table of the classes. Defaults to
            False.
        format_only (bool): Whether to write the submission without evaluation.
            Defaults to False.
        outfile_prefix (str, optional): Folder to write the submission to, in
            VIPSeg's format: ``pan_pred/VIDEO/FRAME.png``, written immediately
            after prediction, and ``pred.json`` with the category ids of the
            dataset's files. Required by ``format_only``. Defaults to None.
        sparse (bool): Whether only some frames of a video are annotated. The
            others are left out, also of windows: k frames are k annotated
            frames. Defaults to False.
        backend_args (dict, optional): Backend for reading masks of the ground
            truth, see :func:`mmengine.fileio.get`. Defaults to None.
        prefix (str, optional): Prefix of the names of the values. Defaults to
            None: 'vps'.
        collect_device (str): Must be 'cpu': processes exchange little data.
            Defaults to 'cpu'.

    Raises:
        InputError: If ``format_only`` is set without ``outfile_prefix``, or
            ``collect_device`` is not 'cpu'.
    """

    default_prefix = 'vps'
    # All metrics share the evaluator, so that a video is read once.
    evaluator = PanopticVideoEvaluator()
    # Metrics with the same keys share these results of a video.
    counter_key: Hashable = 'counts'
    submission_key: Hashable = 'submission'
    # Statistics of each video of the last evaluation, see VideoStatsHook.
    video_stats: dict[str, Any] | None = None

    def __init__(
        self,
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        sparse: bool = False,
        backend_args: dict | None = None,
        prefix: str | None = None,
        collect_device: str = 'cpu',
    ) -> None:
        if collect_device != 'cpu':
            raise InputError(
                f'collect_device of {type(self).__name__} is '
                f'{collect_device!r}, but its results are on the CPU: delete '
                "the key, or set it to 'cpu'."
            )
        if format_only and outfile_prefix is None:
            raise InputError(
                'format_only=True needs outfile_prefix, the '
                'folder that the submission is written to.'
            )
        super().__init__(prefix=prefix)
        self.classwise = classwise
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self.sparse = sparse
        self.backend_args = backend_args
        self._last: Future[VideoResult] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Start to count the pixels of videos, and to write their masks.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Predicted videos, each with all of
                its frames.

        Raises:
            InputError: If frames are missing or repeated, or another video of
                the same name was processed before.
            Exception: Errors of the previous video, see :meth:`finish_last`.
        """
        for sample in data_samples:
            require_fields(
                sample,
                ('video_data_samples',),
                'a predicted sample',
                'Test with a dataset of videos and a model for videos.',
            )
            video = PredictedVideo.read(sample['video_data_samples'])
            result = VideoResult(video.name, video.source)
            # Check before masks of the other video are overwritten.
            _drop_repeated([*self.results, result])
            self.finish_last()
            self.results.append(result)
            self._last = run_in_thread(self._read, video)

    def finish_last(self) -> None:
        """Wait for the results of the last video.

        Raises:
            FileNotFoundError: If a mask of the ground truth does not exist.
            InputError: If masks, segments and predictions are inconsistent.
        """
        last, self._last = self._last, None
        if last is not None:
            self.results.pop()  # its place
            self.results.append(last.result())

    def _read(self, video: PredictedVideo) -> VideoResult:
        """Measure a video and write its submission."""
        consumers: dict[Hashable, Any] = {}
        if not self.format_only and video.has_ground_truth(self.sparse):
            consumers[self.counter_key] = partial(self.make_counter, video)
        submission_key = self.submission_key, self.outfile_prefix
        if self.outfile_prefix is not None:
            consumers[submission_key] = partial(self.make_submission, video)
        results = self.evaluator.read(video, consumers)
        is_measured = self.counter_key in consumers
        return VideoResult(
            video.name,
            video.source,
            self.measure(results[self.counter_key]) if is_measured else None,
            results.get(submission_key),
        )

    def make_counter(self, video: PredictedVideo) -> FrameConsumer:
        """Make the consumer whose result :meth:`measure` gets.

        Args:
            video (PredictedVideo): The video.

        Returns:
            FrameConsumer: The consumer.
        """
        return GroundTruthCounter(video, self.dataset_meta, self.backend_args)

    def make_submission(self, video: PredictedVideo) -> FrameConsumer:
        """Make the consumer that writes the submission of a video.

        Args:
            video (PredictedVideo): The video.

        Returns:
            FrameConsumer: A consumer with the result of
            :class:`VideoSubmission`.
        """
        assert self.outfile_prefix is not None  # else there is no submission
        return VideoSubmission(video, self.outfile_prefix, self.categories)

    def finish_submission(self, videos: list[dict]) -> str:
        """Complete the submission when all videos are written.

        Args:
            videos (list[dict]): Results of :meth:`make_submission`.

        Returns:
            str: What was written, for the log.
        """
        assert self.outfile_prefix is not None
        path = write_pred_json(self.outfile_prefix, videos, self.categories)
        return (
            f'Wrote the segments of {len(videos)} videos to {path}, and their '
            'masks next to it'
        )

    @property
    def categories(self) -> list[dict]:
        """list[dict]: Categories of the dataset, with the user's ids."""
        return metainfo_categories(self.dataset_meta)

    @property
    def is_thing(self) -> list[bool]:
        """list[bool]: Whether a class is a thing."""
        return thing_flags(self.dataset_meta)

    @property
    def table_names(self) -> Sequence[str] | None:
        """Sequence[str] | None: Classes to list in a table."""
        return self.dataset_meta['classes'] if self.classwise else None

    def evaluate(self, size: int = 1) -> dict[str, float]:
        """Evaluate the videos of all processes.

        Args:
            size (int): Not used: repeated videos are found by their name.
                Defaults to 1.

        Returns:
            dict[str, float]: Values by name with the prefix, in every
            process.

        Raises:
            InputError: If different videos have the same name, or frames of
                two videos have the same output.
            Exception: Errors of the last video, see :meth:`finish_last`.
        """
        self.finish_last()
        # Run in all processes, so that an error ends all of them.
        videos = _drop_repeated(chain(*all_gather_object(self.results)))
        check_distinct_frames(
            (video.name, [f['file_name'] for f in video.submission_frames])
            for video in videos
        )
        metrics: list[dict[str, float]] = [{}]
        if is_main_process():
            metrics = [
                {
                    f'{self.prefix}/{key}': value
                    for key, value in self.compute_metrics(videos).items()
                }
            ]
        broadcast_object_list(metrics)
        self.results.clear()
        return metrics[0]

    def compute_metrics(self, results: list[VideoResult]) -> dict[str, float]:
        """Complete the submission, and evaluate.

        Args:
            results (list[VideoResult]): Results of all videos.

        Returns:
            dict[str, float]: Values by name; empty if nothing was evaluated.
        """
        logger = MMLogger.get_current_instance()
        if self.outfile_prefix is not None:
            logger.info(
                self.finish_submission(
                    [v.submission for v in results if v.submission]
                )
            )
        if self.format_only:
            return dict()
        stats = [video.stats for video in results if video.stats is not None]
        if len(stats) < len(results) or not results:
            logger.warning(
                f'{type(self).__name__}: {len(results) - len(stats)} of '
                f'{len(results)} videos have no ground truth and were not '
                'evaluated. Set outfile_prefix to write a submission.'
            )
        exported = {
            video.name: self.export(video.stats)
            for video in results
            if video.stats is not None
        }
        self.video_stats = None
        if exported and None not in exported.values():
            self.video_stats = dict(
                metric=type(self).__name__,
                is_thing=self.is_thing,
                videos=exported,
            )
        return self.report(stats) if stats else dict()

    def export(self, stats: Any) -> Any:
        """Convert the stats of a video to JSON, for a bootstrap.

        Args:
            stats (Any): Result of :meth:`measure`.

        Returns:
            Any: The content; None if the metric does not support it.
        """
        return None

    @abstractmethod
    def measure(self, video: Any) -> Any:
        """Measure a video.

        Args:
            video (Any): Result of :meth:`make_counter`.

        Returns:
            Any: A small result that processes can exchange.
        """

    @abstractmethod
    def report(self, stats: list) -> dict[str, float]:
        """Summarize and log.

        Args:
            stats (list): Results of :meth:`measure`, one per video.

        Returns:
            dict[str, float]: Values by name.
        """


def _drop_repeated(results: Iterable[VideoResult]) -> list[VideoResult]:
    """Remove videos that the sampler repeated to fill all processes.

    Args:
        results (Iterable[VideoResult]): Videos of all processes.

    Returns:
        list[VideoResult]: Each video once, ordered by name, so that
        sums do not depend on the number of processes.

    Raises:
        InputError: If different videos have the same name.
    """
    videos: dict[str, VideoResult] = {}
    for video in results:
        other = videos.setdefault(video.name, video)
        if other.source != video.source:
            raise InputError(
                f'Two videos have the name {video.name}: one starts with '
                f'{other.source}, the other with {video.source}. Give each '
                'video a video_id of its own.'
            )
    return [videos[name] for name in sorted(videos, key=natural_key)]
