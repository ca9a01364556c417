# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the metrics of video panoptic segmentation have in common."""

import os.path as osp
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from mmdet.evaluation.functional import INSTANCE_OFFSET
from mmdet.structures import DetDataSample
from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    is_main_process,
)
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...structures import read_id_map, read_raw_segments, thing_flags
from ..functional import VideoCounter, VideoCounts, count_pairs
from ..submission import (
    VideoSubmission,
    submission_categories,
    write_pred_json,
)

# What the metrics of an evaluator share of a video is kept by these keys; that
# of a submission also has the folder.
_COUNTS, _SUBMISSION = ('counts',), 'submission'


class VideoResult(NamedTuple):
    """What is kept of a video, and exchanged between processes.

    Attributes:
        name (str): Name of the video.
        source (str): Path of its first frame: tells videos of one name apart.
        stats (Any): What :meth:`PanopticVideoMetric.measure` returned; None
            without ground truth.
        submission (dict, optional): Its entry in pred.json.
    """

    name: str
    source: str
    stats: Any
    submission: dict | None


class PanopticVideoMetric(BaseMetric):
    """Base class: counts the pixels of predicted videos as they come.

    Every frame of a sample has ``pred_panoptic_map``
    (:class:`~projects.maxtron.models.postprocess.PanopticMap`) and the
    metainfo ``img_path``, ``frame_id``, ``video_length``, ``video_id`` (the
    name of the video; the folder of the frames if there is none) and, unless
    there is no ground truth, ``seg_map_path`` and ``segments_info`` (``id``,
    ``category``, which is the label, and optionally ``iscrowd`` and
    ``area``). Where ``segments_info`` is None, the mask is one of VIPSeg as it
    is released (one channel). A mask is read, and a prediction decoded, once
    for all metrics of an evaluator.

    Args:
        classwise (bool): Whether to log a table of the classes. Defaults to
            False.
        format_only (bool): Write the submission and do not evaluate.
            Defaults to False.
        outfile_prefix (str, optional): Folder to write the submission to, in
            VIPSeg's format: ``pan_pred/VIDEO/FRAME.png``, each as soon as it
            is predicted, and ``pred.json``. Needed with ``format_only``.
            Defaults to None.
        backend_args (dict, optional): How masks of the ground truth are
            read, see :func:`mmengine.fileio.get`. Defaults to None.
        prefix (str, optional): Put before the names of the values. Defaults
            to None: 'vps'.
        collect_device (str): Only 'cpu': what processes exchange is small and
            needs neither another device nor a folder. Defaults to 'cpu'.

    Raises:
        ValueError: If ``format_only`` is set without ``outfile_prefix``, or
            ``collect_device`` is not 'cpu'.
    """

    default_prefix = 'vps'
    # the samples that a metric got last, and what was read of each: a list
    # that an evaluator gives to all its metrics, one after the other
    _last: tuple[Sequence[dict], list[dict]] = ((), [])

    def __init__(
        self,
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        backend_args: dict | None = None,
        prefix: str | None = None,
        collect_device: str = 'cpu',
    ) -> None:
        if collect_device != 'cpu':
            raise ValueError(
                f'collect_device of {type(self).__name__} is '
                f'{collect_device!r}, but its results are on the CPU: delete '
                "the key, or set it to 'cpu'."
            )
        if format_only and outfile_prefix is None:
            raise ValueError(
                'format_only=True needs outfile_prefix, the '
                'folder that the submission is written to.'
            )
        super().__init__(prefix=prefix)
        self.classwise = classwise
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self.backend_args = backend_args

    # ---------------------------------------------------------- collecting
    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of videos, and write their masks.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Predicted videos, each with all of
                its frames.

        Raises:
            FileNotFoundError: If a mask of the ground truth does not exist.
            ValueError: If frames are missing or double, masks, segments and
                predictions do not fit together, or a video of the same name
                was there before.
        """
        if PanopticVideoMetric._last[0] is not data_samples:
            PanopticVideoMetric._last = (
                data_samples,
                [{} for _ in data_samples],
            )
        for sample, shared in zip(*PanopticVideoMetric._last):
            frames = sample['video_data_samples']
            name, source = _check_frames(frames)
            # before masks of the other one are overwritten
            _unique([*self.results, VideoResult(name, source, None, None)])
            self._read_video(name, frames, shared)
            counts = None if self.format_only else shared[_COUNTS]
            self.results.append(
                VideoResult(
                    name,
                    source,
                    None if counts is None else self.measure(counts),
                    shared.get((_SUBMISSION, self.outfile_prefix)),
                )
            )

    def _read_video(
        self, name: str, frames: Sequence[DetDataSample], shared: dict
    ) -> None:
        """Put counts and submission of a video into ``shared``."""
        counter = submission = None
        if not self.format_only and _COUNTS not in shared:
            if _has_ground_truth(name, frames):
                labels = range(len(self.dataset_meta['classes']))
                counter = VideoCounter(name, dict(zip(labels, labels)))
            else:
                shared[_COUNTS] = None
        key = (_SUBMISSION, self.outfile_prefix)
        if self.outfile_prefix is not None and key not in shared:
            submission = VideoSubmission(
                self.outfile_prefix,
                name,
                submission_categories(self.dataset_meta),
            )
        if counter is submission is None:
            return
        for frame in frames:
            pred_map = frame.pred_panoptic_map.decode()
            if submission is not None:
                submission.add(
                    pred_map,
                    {
                        i: i % INSTANCE_OFFSET
                        for i in frame.pred_panoptic_map.segment_ids
                    },
                    frame.img_path,
                )
            if counter is not None:
                self._count_frame(counter, frame, pred_map)
        if counter is not None:
            shared[_COUNTS] = counter.result()
        if submission is not None:
            shared[key] = submission.annotation()

    def _count_frame(
        self, counter: VideoCounter, frame: DetDataSample, pred_map: np.ndarray
    ) -> None:
        """Read the ground truth of a frame and count."""
        stem = osp.splitext(osp.basename(frame.img_path))[0]
        where = f'video {counter.name}, frame {stem}'
        segments = frame.get('segments_info')
        is_raw = segments is None
        gt_map = read_id_map(
            frame.seg_map_path, where, is_raw, self.backend_args
        )
        if is_raw:
            gt_map, segments = read_raw_segments(gt_map, self.is_thing, where)
        pairs = count_pairs(gt_map, pred_map, where)
        # 0 is a label here, but void in the counts
        pred_ids = np.where(
            pairs.pred_ids == self._void, 0, pairs.pred_ids + 1
        )
        counter.add(
            stem,
            pairs._replace(pred_ids=pred_ids),
            [dict(s, category_id=s['category']) for s in segments],
            [
                dict(id=i, category_id=(i - 1) % INSTANCE_OFFSET)
                for i in np.unique(pred_ids[pred_ids > 0]).tolist()
            ],
        )

    @property
    def _void(self) -> int:
        """int: The id of void in a panoptic map."""
        return len(self.dataset_meta['classes'])

    @property
    def is_thing(self) -> list[bool]:
        """list[bool]: Whether a class is a thing."""
        return thing_flags(self.dataset_meta)

    # ---------------------------------------------------------- evaluation
    def evaluate(self, size: int = 1) -> dict[str, float]:
        """Evaluate the videos of all processes, which need no common folder.

        Args:
            size (int): Not used: repeated videos are found by their name.
                Defaults to 1.

        Returns:
            dict[str, float]: Values by name with the prefix, in every
            process.

        Raises:
            ValueError: If different videos have the same name.
        """
        PanopticVideoMetric._last = (), []
        # in all processes, so that an error ends all of them
        videos = _unique(chain(*all_gather_object(self.results)))
        metrics = [None]
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
            results (list[:obj:`VideoResult`]): Of all videos.

        Returns:
            dict[str, float]: Values by name; empty if nothing was evaluated.
        """
        logger = MMLogger.get_current_instance()
        if self.outfile_prefix is not None:
            path = write_pred_json(
                self.outfile_prefix, [video.submission for video in results]
            )
            logger.info(
                f'Wrote the segments of {len(results)} videos to '
                f'{path}, and their masks next to it'
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
        return self.report(stats) if stats else dict()

    @abstractmethod
    def measure(self, video: VideoCounts) -> Any:
        """Measure a video.

        Args:
            video (:obj:`VideoCounts`): Its pixels.

        Returns:
            Any: Something small, that processes can exchange.
        """

    @abstractmethod
    def report(self, stats: list) -> dict[str, float]:
        """Sum up and log.

        Args:
            stats (list): What :meth:`measure` returned for each video.

        Returns:
            dict[str, float]: Values by name.
        """

    @property
    def table_names(self) -> Sequence[str] | None:
        """Sequence[str] | None: Classes to be listed in a table."""
        return self.dataset_meta['classes'] if self.classwise else None


def _unique(results: Iterable[VideoResult]) -> list[VideoResult]:
    """Leave out videos that a sampler repeated to fill up all processes.

    Args:
        results (Iterable[:obj:`VideoResult`]): Videos of all processes.

    Returns:
        list[:obj:`VideoResult`]: Each video once, ordered by its name, so
        that sums do not depend on how many processes there were.

    Raises:
        ValueError: If different videos have the same name.
    """
    videos: dict[str, VideoResult] = {}
    for video in results:
        other = videos.setdefault(video.name, video)
        if other.source != video.source:
            raise ValueError(
                f'Two videos have the name {video.name}: one starts with '
                f'{other.source}, the other with {video.source}. Give each '
                'video a video_id of its own.'
            )
    return [videos[name] for name in sorted(videos)]


def _name_of(frame: DetDataSample) -> str:
    """Name of the video that a frame is of."""
    name = frame.get('video_id')
    return (
        osp.basename(osp.dirname(frame.img_path))
        if name is None
        else str(name)
    )


def _check_frames(frames: Sequence[DetDataSample]) -> tuple[str, str]:
    """See that a video is complete.

    Args:
        frames (Sequence[DetDataSample]): Its frames.

    Returns:
        tuple[str, str]: Name of the video and path of its first frame.

    Raises:
        ValueError: If a frame is missing, double or of another video, or was
            not predicted.
    """
    if not len(frames):
        raise ValueError('A video without frames was predicted.')
    name = _name_of(frames[0])
    seen: dict[int, str] = {}
    for frame in frames:
        where = f'video {name}, frame {frame.img_path}'
        if _name_of(frame) != name:
            raise ValueError(f'{where} is one of video {_name_of(frame)}')
        if frame.frame_id in seen:
            raise ValueError(
                f'{where}: number {frame.frame_id} was there '
                f'before, as {seen[frame.frame_id]}'
            )
        seen[frame.frame_id] = frame.img_path
        if 'pred_panoptic_map' not in frame:
            raise ValueError(
                f'{where} has no pred_panoptic_map: is the model '
                'one for panoptic segmentation?'
            )
    length = frames[0].get('video_length', len(frames))
    if sorted(seen) != list(range(length)):
        missing = sorted(set(range(length)) - seen.keys())
        raise ValueError(
            f'video {name} has {length} frames, but {len(seen)} are '
            f'predicted; missing are numbers {missing[:5]}. Test videos as a '
            'whole.'
        )
    return name, seen[0]


def _has_ground_truth(name: str, frames: Sequence[DetDataSample]) -> bool:
    """Whether a video has a mask for every frame, or else for none."""
    missing = [f.img_path for f in frames if not f.get('seg_map_path')]
    if 0 < len(missing) < len(frames):
        raise ValueError(
            f'video {name}: {len(missing)} of {len(frames)} frames have no '
            f'seg_map_path, the first being {missing[0]}'
        )
    return not missing
