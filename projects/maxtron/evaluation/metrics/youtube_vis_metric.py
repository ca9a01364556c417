# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Track AP of video instance segmentation."""

import io
import os.path as osp
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import mmengine
import numpy as np
from mmdet.evaluation.functional import YTVIS, YTVISeval
from mmdet.evaluation.metrics import YouTubeVISMetric
from mmdet.registry import METRICS
from mmdet.structures.mask import encode_mask_results
from mmengine.logging import MMLogger
from pycocotools import mask as mask_utils

from ...utils import atomic_path

VideoList = str | Sequence[int | str]


@METRICS.register_module()
class ClipYouTubeVISMetric(YouTubeVISMetric):
    """Track AP as the official YouTube-VIS evaluation computes it.

    What it adds to :class:`mmdet.evaluation.YouTubeVISMetric`: masks may come
    as RLE, sizes are measured by mask and not by box, values are not rounded,
    every validation starts afresh, a model that finds nothing has AP 0
    (instead of a crash), and long and short videos can be told apart.

    Args:
        metric_items (Sequence[str]): Names of the values to report. Defaults
            to mAP, mAP_50, mAP_75, AR@1 and AR@10.
        long_videos (str | Sequence[int | str], optional): The long videos of
            YouTube-VIS 2022, as ids, as names (folders of frames) or as a
            JSON file: a list of them, or an annotation file with just
            these videos. All values are then also reported for long videos
            ('..._long'), for the others ('..._short') and as the mean of the
            two ('..._all', the AP^all of the benchmark, which is not the AP
            over the union).
        short_videos (str | Sequence[int | str], optional): The short videos
            instead, e.g. the validation annotations of 2021.
        classwise (bool): Whether to report AP of each class
            ('{class}_precision'). Defaults to False.
        format_only (bool): Write the submission and do not evaluate.
            Defaults to False.
        outfile_prefix (str, optional): Where predictions are written, as
            '{prefix}.json' and '{prefix}.submission_file.zip', before they
            are evaluated. Needed with ``format_only``. Defaults to None;
            tools/train.py and tools/test.py set it to WORK_DIR/results.
        **kwargs: See :class:`mmdet.evaluation.YouTubeVISMetric`.

    Raises:
        KeyError: If a metric item does not exist.
        ValueError: If both ``long_videos`` and ``short_videos`` are given, or
            ``format_only`` without ``outfile_prefix``.
    """

    # positions in YTVISeval.stats
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
            raise KeyError(
                f'Unknown metric items {unknown}; choose from '
                f'{", ".join(self.STATS)}.'
            )
        if long_videos is not None and short_videos is not None:
            raise ValueError(
                'Give either long_videos or short_videos: the '
                'other videos are the complement.'
            )
        if format_only and outfile_prefix is None:
            raise ValueError(
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
        self.listed_as = 'long' if long_videos is not None else 'short'
        listed = long_videos if short_videos is None else short_videos
        self.listed_videos = None if listed is None else _read_videos(listed)

    # ---------------------------------------------------------- collecting
    def process_video(self, data_samples: list) -> None:
        """Format predictions and ground truth of one video.

        Args:
            data_samples (list[:obj:`DetDataSample`]): Its frames, each with
                ``pred_track_instances`` (masks as RLE, tensor or array at
                ``ori_shape``) and, if known, ``instances`` in the metainfo.
        """
        # mmdet's formatters take the last video of the meta info
        self._vis_meta_info = defaultdict(list)
        frames = [sample.to_dict() for sample in data_samples]
        gts = self._format_one_video_gts(
            [
                dict(
                    img_id=frame['img_id'],
                    frame_id=t,
                    video_id=frame['video_id'],
                    video_length=len(frames),
                    height=frame['ori_shape'][0],
                    width=frame['ori_shape'][1],
                    anns=frame.get('instances', []),
                )
                for t, frame in enumerate(frames)
            ]
        )
        preds = self._format_one_video_preds(
            [self._read_prediction(frame) for frame in frames]
        )
        video = self._vis_meta_info['videos'][0]
        video['name'] = osp.basename(
            osp.dirname(frames[0].get('img_path', ''))
        )
        for gt in gts:
            gt['segmentations'] = [
                None if mask is None else _to_rle(mask, video)
                for mask in gt['segmentations']
            ]
            gt['areas'] = [
                None if mask is None else int(mask_utils.area(mask))
                for mask in gt['segmentations']
            ]
        self.results.append((video, gts, preds))

    @staticmethod
    def _read_prediction(frame: dict) -> dict[str, Any]:
        """Bring the prediction of one frame into the form of mmdet."""
        pred = frame['pred_track_instances']
        masks = pred['masks']
        if not isinstance(masks, (list, tuple)):
            masks = encode_mask_results(_to_numpy(masks).astype(bool))
        size = list(frame['ori_shape'][:2])
        for mask in masks:
            if list(mask['size']) != size:
                raise ValueError(
                    f'Frame {frame.get("frame_id")} of video '
                    f'{frame["video_id"]}: a predicted mask is '
                    f'{mask["size"]} (height, width), the frame is {size}. '
                    'The model must return masks at ori_shape.'
                )
        keys = ('bboxes', 'scores', 'labels', 'instances_id')
        return dict(
            {key: _to_numpy(pred[key]) for key in keys},
            masks=[dict(mask) for mask in masks],
        )

    def evaluate(self, size: int) -> dict:
        """Gather the videos of all processes and evaluate on the first.

        Args:
            size (int): Unused: what counts are the collected videos.

        Returns:
            dict[str, float]: Values by name.
        """
        # the videos travel in self.results, each with its own meta info
        self._vis_meta_info = defaultdict(list)
        return super().evaluate(size)

    # ---------------------------------------------------------- evaluation
    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate, or write the submission.

        Args:
            results (list[tuple]): Meta info, ground truth and predictions of
                each video.

        Returns:
            dict[str, float]: Values by name, in [0, 1]; -1 where there is
            no ground truth of that size. Empty if nothing was evaluated.
        """
        # a sampler that pads to the number of processes repeats videos
        results = {
            video['id']: (video, gts, preds) for video, gts, preds in results
        }
        results = [results[video_id] for video_id in sorted(results)]
        videos = [video for video, _, _ in results]
        gts = [gt for _, gts, _ in results for gt in gts]
        preds = [pred for _, _, preds in results for pred in preds]
        if self.outfile_prefix is not None:
            self.save_pred_results(preds)
        if self.format_only:
            return dict()
        if not gts:
            self._explain_missing_gt(videos)
            return dict()
        for i, gt in enumerate(gts):
            gt['id'] = i + 1  # mmdet's evaluation takes 0 for unmatched
        with redirect_stdout(io.StringIO()):
            gt_api = YTVIS(
                dict(
                    videos=videos,
                    categories=self._categories(),
                    annotations=gts,
                )
            )
            pred_api = self._load_predictions(gt_api, preds)
        return self._report(gt_api, pred_api, videos)

    def _categories(self) -> list[dict]:
        """Official ids: the label of category k is k - 1."""
        return [
            dict(id=i + 1, name=name)
            for i, name in enumerate(self.dataset_meta['classes'])
        ]

    @staticmethod
    def _load_predictions(gt_api: YTVIS, preds: list[dict]) -> YTVIS:
        """Index the predictions, of which there may be none."""
        if preds:
            return gt_api.loadRes(preds)
        return YTVIS(dict(gt_api.dataset, annotations=[]))

    def _report(
        self, gt_api: YTVIS, pred_api: YTVIS, videos: list[dict]
    ) -> dict[str, float]:
        """Evaluate all videos and, if asked for, the long and short ones."""
        report = OrderedDict()
        evaluator = self._evaluate(gt_api, pred_api, videos, 'all videos')
        for item in self.metric_items:
            report[f'segm_{item}'] = self._stat(evaluator, item)
        if self.classwise:
            report.update(self._precision_of_classes(evaluator))
        if self.listed_videos is None:
            return report
        subsets = self._split(videos)
        stats = {
            name: self._evaluate(gt_api, pred_api, subset, f'{name} videos')
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

    @staticmethod
    def _evaluate(
        gt_api: YTVIS, pred_api: YTVIS, videos: list[dict], title: str
    ) -> YTVISeval:
        """Run the official evaluation on some of the videos."""
        output = io.StringIO()
        with redirect_stdout(output):
            evaluator = YTVISeval(gt_api, pred_api, 'segm')
            evaluator.params.vidIds = [video['id'] for video in videos]
            evaluator.evaluate()
            evaluator.accumulate()
        table = io.StringIO()
        with redirect_stdout(table):
            evaluator.summarize()
        MMLogger.get_current_instance().info(
            f'Track AP of {title} ({len(videos)})\n{table.getvalue()}'
        )
        return evaluator

    def _stat(self, evaluator: YTVISeval, item: str) -> float:
        """One value of the summary, unrounded."""
        return float(evaluator.stats[self.STATS.index(item)])

    def _precision_of_classes(self, evaluator: YTVISeval) -> dict[str, float]:
        """AP of every class that has ground truth."""
        report = OrderedDict()
        # (iou, recall, class, area, max detections)
        precision = evaluator.eval['precision'][..., 0, -1]
        for k, cat_id in enumerate(evaluator.params.catIds):
            values = precision[:, :, k]
            name = self.dataset_meta['classes'][cat_id - 1]
            if (values > -1).any():
                report[f'{name}_precision'] = float(values[values > -1].mean())
        return report

    def _split(self, videos: list[dict]) -> dict[str, list[dict]]:
        """Tell long from short videos."""
        listed, others = [], []
        for video in videos:
            named = {video['id'], video['name']} & self.listed_videos
            (listed if named else others).append(video)
        if not listed or not others:
            raise ValueError(
                f'{self.listed_as}_videos matches {len(listed)} of the '
                f'{len(videos)} evaluated videos, so that one of the two '
                'groups is empty. The list must hold ids or names of videos '
                f'such as {videos[0]["id"]} or {videos[0]["name"]!r}.'
            )
        if self.listed_as == 'long':
            return dict(long=listed, short=others)
        return dict(long=others, short=listed)

    # -------------------------------------------------------------- output
    def _explain_missing_gt(self, videos: list[dict]) -> None:
        """Say that there is nothing to compare with."""
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

        Each is written beside its place and renamed when complete.

        Args:
            pred_results (list[dict]): Predictions in the official format.
        """
        json_file = f'{self.outfile_prefix}.json'
        zip_file = f'{self.outfile_prefix}.submission_file.zip'
        mmengine.mkdir_or_exist(osp.dirname(osp.abspath(json_file)))
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


def _to_numpy(values) -> np.ndarray:
    """Turn a tensor on any device, an array or a list into an array."""
    if hasattr(values, 'cpu'):
        values = values.detach().cpu()
    return np.asarray(values)


def _to_rle(mask: dict | list, video: dict) -> dict:
    """Turn polygons or an uncompressed RLE into a compressed RLE."""
    if isinstance(mask, dict) and not isinstance(mask['counts'], list):
        return mask
    rle = mask_utils.frPyObjects(mask, video['height'], video['width'])
    return mask_utils.merge(rle) if isinstance(rle, list) else rle


def _read_videos(videos: VideoList) -> set[int | str]:
    """Read a list of video ids or names.

    Of an annotation file the names are taken where it has them, since two
    files may number the same videos differently.

    Args:
        videos (str | Sequence[int | str]): The list or a JSON file.

    Returns:
        set[int | str]: Ids or names.
    """
    if isinstance(videos, str):
        videos = mmengine.load(videos)
    if isinstance(videos, dict):
        names = []
        for video in videos['videos']:
            files = video.get('file_names')
            name = files[0].split('/')[0] if files else video.get('name')
            names.append(video['id'] if name is None else name)
        return set(names)
    return set(videos)
