# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the metrics of video panoptic segmentation have in common."""

import os.path as osp
from abc import abstractmethod
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from mmdet.evaluation.functional import INSTANCE_OFFSET
from mmdet.evaluation.metrics.base_video_metric import BaseVideoMetric
from mmdet.structures import DetDataSample
from mmengine.logging import MMLogger

from ...datasets.panoptic_maps import (
    read_id_map,
    read_raw_segments,
    thing_flags,
)
from ..functional import VideoCounter, VideoCounts, count_pairs
from ..submission import (
    VideoSubmission,
    submission_categories,
    write_pred_json,
)

# Under this key the metrics of an evaluator find what one of them has read.
_SHARED = 'panoptic_video'


class PanopticVideoMetric(BaseVideoMetric):
    """Base class: counts the pixels of predicted videos as they come.

    Every frame of a sample has ``pred_panoptic_map``
    (:class:`~projects.maxtron.models.postprocess.PanopticMap`) and the
    metainfo ``img_path``, ``frame_id``, ``video_length`` and, unless there is
    no ground truth, ``seg_map_path`` and ``segments_info`` (``id``,
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
        **kwargs: ``collect_device`` and ``prefix``, see
            :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: If ``format_only`` is set without ``outfile_prefix``.
    """
    default_prefix = 'vps'

    def __init__(self,
                 classwise: bool = False,
                 format_only: bool = False,
                 outfile_prefix: Optional[str] = None,
                 backend_args: Optional[dict] = None,
                 **kwargs) -> None:
        if format_only and outfile_prefix is None:
            raise ValueError('format_only=True needs outfile_prefix, the '
                             'folder that the submission is written to.')
        super().__init__(**kwargs)
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
            ValueError: If frames are missing or double, or masks, segments
                and predictions do not fit together.
        """
        for sample in data_samples:
            frames = sample['video_data_samples']
            name = _check_frames(frames)
            shared = sample.setdefault(_SHARED, {})
            self._read_video(name, frames, shared)
            counts = None if self.format_only else shared['counts']
            self.results.append(
                (name, None if counts is None else self.measure(counts),
                 shared.get(self.outfile_prefix)))

    def _read_video(self, name: str, frames: Sequence[DetDataSample],
                    shared: dict) -> None:
        """Put counts and submission of a video into ``shared``."""
        counter = submission = None
        if not self.format_only and 'counts' not in shared:
            shared['counts'] = None
            if _has_ground_truth(name, frames):
                labels = range(len(self.dataset_meta['classes']))
                counter = VideoCounter(name, dict(zip(labels, labels)))
        if self.outfile_prefix not in (None, *shared):
            submission = VideoSubmission(
                self.outfile_prefix, name,
                submission_categories(self.dataset_meta))
        if counter is submission is None:
            return
        for frame in frames:
            pred_map = frame.pred_panoptic_map.decode()
            if submission is not None:
                submission.add(
                    pred_map, {
                        i: i % INSTANCE_OFFSET
                        for i in frame.pred_panoptic_map.segment_ids
                    }, frame.img_path)
            if counter is not None:
                self._count_frame(counter, frame, pred_map)
        if counter is not None:
            shared['counts'] = counter.result()
        if submission is not None:
            shared[self.outfile_prefix] = submission.annotation()

    def _count_frame(self, counter: VideoCounter, frame: DetDataSample,
                     pred_map: np.ndarray) -> None:
        """Read the ground truth of a frame and count."""
        stem = osp.splitext(osp.basename(frame.img_path))[0]
        where = f'video {counter.name}, frame {stem}'
        segments = frame.get('segments_info')
        is_raw = segments is None
        gt_map = read_id_map(frame.seg_map_path, where, is_raw,
                             self.backend_args)
        if is_raw:
            gt_map, segments = read_raw_segments(gt_map, self.is_thing, where)
        pairs = count_pairs(gt_map, pred_map, where)
        # 0 is a label here, but void in the counts
        pred_ids = np.where(pairs.pred_ids == self._void, 0,
                            pairs.pred_ids + 1)
        counter.add(stem, pairs._replace(pred_ids=pred_ids),
                    [dict(s, category_id=s['category']) for s in segments],
                    [dict(id=i, category_id=(i - 1) % INSTANCE_OFFSET)
                     for i in np.unique(pred_ids[pred_ids > 0]).tolist()])

    @property
    def _void(self) -> int:
        """int: The id of void in a panoptic map."""
        return len(self.dataset_meta['classes'])

    @property
    def is_thing(self) -> List[bool]:
        """list[bool]: Whether a class is a thing."""
        return thing_flags(self.dataset_meta)

    # ---------------------------------------------------------- evaluation
    def compute_metrics(self, results: List[tuple]) -> Dict[str, float]:
        """Complete the submission, and evaluate.

        Args:
            results (list[tuple]): Name, what :meth:`measure` returned and
                segments of each video; of all processes.

        Returns:
            dict[str, float]: Values by name; empty if nothing was evaluated.
        """
        # a sampler that pads to the number of processes repeats videos, and
        # sums must not depend on how many processes there were
        videos = {video[0]: video for video in results}
        videos = [videos[name] for name in sorted(videos)]
        logger = MMLogger.get_current_instance()
        if self.outfile_prefix is not None:
            path = write_pred_json(self.outfile_prefix,
                                   [video[2] for video in videos])
            logger.info(f'Wrote the segments of {len(videos)} videos to '
                        f'{path}, and their masks next to it')
        if self.format_only:
            return dict()
        stats = [stat for _, stat, _ in videos if stat is not None]
        if len(stats) < len(videos) or not videos:
            logger.warning(
                f'{type(self).__name__}: {len(videos) - len(stats)} of '
                f'{len(videos)} videos have no ground truth and were not '
                'evaluated. Set outfile_prefix to write a submission.')
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
    def report(self, stats: list) -> Dict[str, float]:
        """Sum up and log.

        Args:
            stats (list): What :meth:`measure` returned for each video.

        Returns:
            dict[str, float]: Values by name.
        """

    @property
    def table_names(self) -> Optional[Sequence[str]]:
        """Sequence[str] | None: Classes to be listed in a table."""
        return self.dataset_meta['classes'] if self.classwise else None


def _check_frames(frames: Sequence[DetDataSample]) -> str:
    """See that a video is complete.

    Args:
        frames (Sequence[DetDataSample]): Its frames.

    Returns:
        str: Name of the video: the folder of its frames.

    Raises:
        ValueError: If a frame is missing or double, or was not predicted.
    """
    if not len(frames):
        raise ValueError('A video without frames was predicted.')
    name = osp.basename(osp.dirname(frames[0].img_path))
    seen: Dict[int, str] = {}
    for frame in frames:
        where = f'video {name}, frame {frame.img_path}'
        if frame.frame_id in seen:
            raise ValueError(f'{where}: number {frame.frame_id} was there '
                             f'before, as {seen[frame.frame_id]}')
        seen[frame.frame_id] = frame.img_path
        if 'pred_panoptic_map' not in frame:
            raise ValueError(f'{where} has no pred_panoptic_map: is the model '
                             'one for panoptic segmentation?')
    length = frames[0].get('video_length', len(frames))
    if sorted(seen) != list(range(length)):
        missing = sorted(set(range(length)) - seen.keys())
        raise ValueError(
            f'video {name} has {length} frames, but {len(seen)} are '
            f'predicted; missing are numbers {missing[:5]}. Test videos as a '
            'whole.')
    return name


def _has_ground_truth(name: str, frames: Sequence[DetDataSample]) -> bool:
    """Whether a video has a mask for every frame, or else for none."""
    missing = [f.img_path for f in frames if not f.get('seg_map_path')]
    if 0 < len(missing) < len(frames):
        raise ValueError(
            f'video {name}: {len(missing)} of {len(frames)} frames have no '
            f'seg_map_path, the first being {missing[0]}')
    return not missing
