# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Track AP of video instance segmentation."""

import io
import os.path as osp
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout

import mmengine
import numpy as np
from mmdet.evaluation.functional import YTVIS, YTVISeval
from mmdet.evaluation.metrics import YouTubeVISMetric
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...errors import InputError
from ...structures import category_ids
from ...utils import atomic_path
from ..sample_fields import META_KEYS, require_fields
from .track_ap import (
    class_precisions,
    evaluate_tracks,
    export_videos,
    select_classes,
)
from .video_groups import VideoGroup, VideoList
from .video_tracks import collect_ground_truth, collect_predictions


@METRICS.register_module()
class ClipYouTubeVISMetric(YouTubeVISMetric):
    """Track AP of the official YouTube-VIS evaluation.

    Differences to :class:`mmdet.evaluation.YouTubeVISMetric`: masks may be
    RLE, sizes are measured by mask and not by box, values are not rounded,
    every validation starts anew, a model without predictions has AP 0 (instead
    of a crash), and long and short videos can be evaluated separately. The
    submission has the ids of videos and categories of the user's annotation
    file (``category_ids`` in the metainfo of the dataset). If the metainfo has
    ``class_groups``, labels by the name of the group, all values are also
    reported for each group ('..._base' and '..._novel' of LV-VIS).

    Args:
        metric_items (Sequence[str]): Names of the values to report. Defaults
            to mAP, mAP_50, mAP_75, AR@1 and AR@10.
        long_videos (str | Sequence[int | str], optional): The long videos of
            YouTube-VIS 2022, as ids, as names (folders of frames) or as a
            JSON file: a list of them, or an annotation file with exactly these
            videos. All values are then also reported for long videos
            ('..._long'), for the others ('..._short') and as the mean of the
            two ('..._all', the AP^all of the benchmark, which is not the AP
            over the union).
        short_videos (str | Sequence[int | str], optional): The short videos
            instead, e.g. by the validation annotations of 2021.
        classwise (bool): Whether to report AP of each class
            ('{class}_precision'). Defaults to False.
        format_only (bool): Whether to write the submission without evaluation.
            Defaults to False.
        outfile_prefix (str, optional): Prefix of '{prefix}.json' and
            '{prefix}.submission_file.zip', which are written before the
            evaluation. Required with ``format_only``. Defaults to None;
            tools/train.py and tools/test.py set it to WORK_DIR/results.
        **kwargs: See :class:`mmdet.evaluation.YouTubeVISMetric`.

    Raises:
        InputError: If a metric item does not exist.
        InputError: If both ``long_videos`` and ``short_videos`` are given, or
            ``format_only`` without ``outfile_prefix``.
    """

    # Positions in YTVISeval.stats.
    STATS = (
        'mAP',
        'mAP_50',
        'mAP_75',
        'mAP_s',
        'mAP_m',
        'mAP_l',
        'AR@1',
        'AR@10',
        'AR@100',
        'AR_s@100',
        'AR_m@100',
        'AR_l@100',
    )

    def __init__(
        self,
        *args,
        metric_items: Sequence[str] = (
            'mAP',
            'mAP_50',
            'mAP_75',
            'AR@1',
            'AR@10',
        ),
        long_videos: VideoList | None = None,
        short_videos: VideoList | None = None,
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        **kwargs,
    ) -> None:
        unknown = [item for item in metric_items if item not in self.STATS]
        if unknown:
            raise InputError(
                f'Unknown metric items {unknown}; choose from '
                f'{", ".join(self.STATS)}.'
            )
        if long_videos is not None and short_videos is not None:
            raise InputError(
                'Give either long_videos or short_videos: the '
                'other videos are the complement.'
            )
        if format_only and outfile_prefix is None:
            raise InputError(
                'format_only=True needs outfile_prefix, the '
                'place where the submission is written.'
            )
        super().__init__(
            *args,
            metric_items=metric_items,
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            **kwargs,
        )
        self.classwise = classwise
        # Statistics of each video, see VideoStatsHook.
        self.video_stats: dict | None = None
        self.listed_as = 'long' if long_videos is not None else 'short'
        listed = long_videos if short_videos is None else short_videos
        self.listed_videos: VideoGroup | None = None
        if listed is not None:
            self.listed_videos = VideoGroup(listed, f'{self.listed_as}_videos')

    # ---------------------------------------------------------- collecting
    def process_video(self, data_samples: list) -> None:
        """Format predictions and ground truth of one video.

        Args:
            data_samples (list[DetDataSample]): Frames, each with
                ``pred_track_instances`` (masks as RLE, tensor or array at
                ``ori_shape``) and, if known, ``instances`` in the metainfo.

        Raises:
            InputError: If there is no frame, a frame has no prediction or
                lacks a field, a label is not one of the classes, or a mask is
                malformed.
        """
        if not data_samples:
            raise InputError('A video without frames was predicted.')
        frames = [sample.to_dict() for sample in data_samples]
        for t, frame in enumerate(frames):
            require_fields(
                frame,
                ('video_id', 'ori_shape'),
                f'frame {t} of a predicted video',
                META_KEYS,
            )
        first = frames[0]
        folder = osp.basename(osp.dirname(first.get('img_path', '')))
        video = dict(
            id=first['video_id'],
            name=first.get('video_name', folder),
            height=first['ori_shape'][0],
            width=first['ori_shape'][1],
            order=_file_order(frames),
        )
        preds = collect_predictions(frames)
        self._check_labels(preds)
        self.results.append((video, collect_ground_truth(frames), preds))

    def _check_labels(self, preds: list[dict]) -> None:
        """Check that every predicted label is one of the classes."""
        count = len(self.dataset_meta['classes'])
        label = max((pred['category_id'] for pred in preds), default=0) - 1
        if label >= count:
            raise InputError(
                f'The model predicts label {label}, but the dataset has '
                f'{count} classes. Set the number of classes of the model to '
                'that of the dataset.'
            )

    def evaluate(self, size: int) -> dict:
        """Gather the videos of all processes and evaluate in the first.

        Args:
            size (int): Not used, because all collected videos are evaluated.

        Returns:
            dict[str, float]: Values by name.
        """
        # MMDetection's list of videos. Here each video is in self.results.
        self._vis_meta_info = defaultdict(list)
        return super().evaluate(size)

    # ---------------------------------------------------------- evaluation
    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate, or write the submission.

        Args:
            results (list[tuple]): Meta info, ground truth and predictions of
                each video.

        Returns:
            dict[str, float]: Values by name, in [0, 1]; -1 if there is
            no ground truth of that size. Empty if nothing was evaluated.
        """
        # Samplers repeat videos to fill all processes.
        by_id = {str(result[0]['id']): result for result in results}
        videos, gts, preds = [], [], []
        for number, (video, video_gts, video_preds) in enumerate(
            sorted(by_id.values(), key=_by_video_id), 1
        ):
            # Ids of a user's file may be texts, which MMDetection cannot sort.
            videos.append(dict(video, number=number))
            gts += [dict(track, video_id=number) for track in video_gts]
            preds += [dict(track, video_id=number) for track in video_preds]
        if self.outfile_prefix is not None:
            self.save_pred_results(self._submission(videos, preds))
        if self.format_only:
            return dict()
        if not gts:
            self._explain_missing_gt(videos)
            return dict()
        for i, gt in enumerate(gts):
            gt['id'] = i + 1  # In MMDetection's evaluation 0 means unmatched.
        with redirect_stdout(io.StringIO()):
            gt_api = YTVIS(
                dict(
                    videos=[dict(v, id=v['number']) for v in videos],
                    categories=self._categories(),
                    annotations=gts,
                )
            )
            pred_api = self._load_predictions(gt_api, preds)
        return self._report(gt_api, pred_api, videos)

    def _submission(self, videos: list[dict], preds: list[dict]) -> list[dict]:
        """Convert predictions to the ids and the order of the user's file."""
        ids = category_ids(self.dataset_meta, first=1)
        return [
            dict(
                pred,
                video_id=videos[pred['video_id'] - 1]['id'],
                category_id=ids[pred['category_id'] - 1],
                segmentations=[
                    pred['segmentations'][t]
                    for t in videos[pred['video_id'] - 1]['order']
                ],
            )
            for pred in preds
        ]

    def _categories(self) -> list[dict]:
        """Make the categories of the evaluation: label k is category k + 1."""
        return [
            dict(id=i + 1, name=name)
            for i, name in enumerate(self.dataset_meta['classes'])
        ]

    @staticmethod
    def _load_predictions(gt_api: YTVIS, preds: list[dict]) -> YTVIS:
        """Index the predictions; there may be none."""
        if preds:
            return gt_api.loadRes(preds)
        return YTVIS(dict(gt_api.dataset, annotations=[]))

    def _report(
        self, gt_api: YTVIS, pred_api: YTVIS, videos: list[dict]
    ) -> dict[str, float]:
        """Evaluate all videos and, on request, the long and short ones."""
        report = OrderedDict()
        evaluator = evaluate_tracks(gt_api, pred_api, videos, 'all videos')
        self.video_stats = dict(
            metric=type(self).__name__, videos=export_videos(evaluator, videos)
        )
        for item in self.metric_items:
            report[f'segm_{item}'] = self._stat(evaluator, item)
        if self.classwise:
            names = self.dataset_meta['classes']
            report.update(
                {
                    f'{names[label]}_precision': value
                    for label, value in class_precisions(evaluator).items()
                }
            )
        groups = self.dataset_meta.get('class_groups', {})
        for name, labels in groups.items():
            group = select_classes(evaluator, labels, f'{name} classes')
            for item in self.metric_items:
                report[f'segm_{item}_{name}'] = self._stat(group, item)
        if self.listed_videos is None:
            return report
        subsets = self._split(videos)
        stats = {
            name: evaluate_tracks(gt_api, pred_api, subset, f'{name} videos')
            for name, subset in subsets.items()
        }
        for item in self.metric_items:
            values = [self._stat(stats[name], item) for name in subsets]
            report.update(
                {
                    f'segm_{item}_{name}': value
                    for name, value in zip(subsets, values)
                }
            )
            report[f'segm_{item}_all'] = (
                float(np.mean(values)) if min(values) >= 0 else -1.0
            )
        return report

    def _stat(self, evaluator: YTVISeval, item: str) -> float:
        """Return one value of the summary, unrounded."""
        return float(evaluator.stats[self.STATS.index(item)])

    def _split(self, videos: list[dict]) -> dict[str, list[dict]]:
        """Split the videos into long and short ones."""
        assert self.listed_videos is not None  # _split is called with it
        listed, others = self.listed_videos.split(videos)
        if self.listed_as == 'long':
            return dict(long=listed, short=others)
        return dict(long=others, short=listed)

    # -------------------------------------------------------------- output
    def _explain_missing_gt(self, videos: list[dict]) -> None:
        """Warn that there is no ground truth."""
        remedy = (
            'send the submission to the evaluation server'
            if self.outfile_prefix is not None
            else 'set outfile_prefix to write a submission'
        )
        MMLogger.get_current_instance().warning(
            f'No AP: the annotation file has no annotations for the '
            f'{len(videos)} evaluated videos (the official validation sets '
            f'come without). Use one with ground truth, or {remedy}.'
        )

    def save_pred_results(self, pred_results: list[dict]) -> None:
        """Write the predictions and a zip for the evaluation server.

        Each file is written to a temporary name and renamed when complete.

        Args:
            pred_results (list[dict]): Predictions in the official format.
        """
        json_file = f'{self.outfile_prefix}.json'
        zip_file = f'{self.outfile_prefix}.submission_file.zip'
        with atomic_path(json_file) as part:
            mmengine.dump(pred_results, part)
        with (
            atomic_path(zip_file) as part,
            zipfile.ZipFile(part, 'w', zipfile.ZIP_DEFLATED) as archive,
        ):
            archive.write(json_file, 'results.json')
        MMLogger.get_current_instance().info(
            f'Wrote {len(pred_results)} tracks to {json_file} and the '
            f'submission for the evaluation server to {zip_file}'
        )


def _file_order(frames: list[dict]) -> list[int]:
    """Return the positions of frames in the order of the user's file."""
    positions = [
        frame.get('file_frame_id', t) for t, frame in enumerate(frames)
    ]
    return np.argsort(positions).tolist()


def _by_video_id(result: tuple) -> tuple:
    """Make a key to sort results by video id: numbers first, then texts."""
    video_id = result[0]['id']
    return isinstance(video_id, str), video_id
