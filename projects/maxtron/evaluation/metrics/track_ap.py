# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Official evaluation of YouTube-VIS, of all or some videos and classes."""

import copy
import io
from collections.abc import Sequence
from contextlib import redirect_stdout

import numpy as np
from mmdet.evaluation.functional import YTVIS, YTVISeval
from mmengine.logging import MMLogger


def evaluate_tracks(
    gt_api: YTVIS, pred_api: YTVIS, videos: list[dict], title: str
) -> YTVISeval:
    """Evaluate some of the videos and log the summary.

    Args:
        gt_api (YTVIS): Ground truth.
        pred_api (YTVIS): Predictions.
        videos (list[dict]): The videos, each with ``number``.
        title (str): Name of the videos, for the log.

    Returns:
        YTVISeval: The evaluation, with ``stats``.
    """
    with redirect_stdout(io.StringIO()):
        evaluator = YTVISeval(gt_api, pred_api, 'segm')
        evaluator.params.vidIds = [video['number'] for video in videos]
        evaluator.evaluate()
        evaluator.accumulate()
    _summarize(evaluator, f'{title} ({len(videos)})')
    return evaluator


def select_classes(
    evaluator: YTVISeval, labels: Sequence[int], title: str
) -> YTVISeval:
    """Summarize some of the classes and log the summary.

    Args:
        evaluator (YTVISeval): An evaluation of all classes. The id of a
            category is its label + 1.
        labels (Sequence[int]): Labels of the classes.
        title (str): Name of the classes, for the log.

    Returns:
        YTVISeval: The same evaluation with the ``stats`` of these classes.
    """
    chosen = np.isin(evaluator.params.catIds, np.add(labels, 1))
    selected = copy.copy(evaluator)
    selected.eval = dict(
        evaluator.eval,
        precision=evaluator.eval['precision'][:, :, chosen],
        recall=evaluator.eval['recall'][:, chosen],
    )
    _summarize(selected, f'{title} ({chosen.sum()})')
    return selected


def _summarize(evaluator: YTVISeval, title: str) -> None:
    """Set the statistics of an evaluation, and log their table."""
    table = io.StringIO()
    with redirect_stdout(table):
        evaluator.summarize()
    MMLogger.get_current_instance().info(
        f'Track AP of {title}\n{table.getvalue()}'
    )


def class_precisions(evaluator: YTVISeval) -> dict[int, float]:
    """Compute the AP of every class with ground truth.

    Args:
        evaluator (YTVISeval): An evaluation.

    Returns:
        dict[int, float]: AP in [0, 1] by label.
    """
    # (iou, recall, class, area, max detections)
    precision = evaluator.eval['precision'][..., 0, -1]
    return {
        category_id - 1: float(values[values > -1].mean())
        for category_id, values in zip(
            evaluator.params.catIds, np.moveaxis(precision, 2, 0)
        )
        if (values > -1).any()
    }


def export_videos(evaluator: YTVISeval, videos: list[dict]) -> dict[str, dict]:
    """Export which predictions are right, for a bootstrap over videos.

    Args:
        evaluator (YTVISeval): An evaluation of all videos.
        videos (list[dict]): Videos with ``id`` and ``number``.

    Returns:
        dict[str, dict]: By the text of a video's id an item of the input of
        :func:`resample_ap`.
    """
    names = {video['number']: str(video['id']) for video in videos}
    exported: dict[str, dict] = {name: {} for name in names.values()}
    for entry in evaluator.evalImgs:
        if entry is None or entry['aRng'] != evaluator.params.areaRng[0]:
            continue
        is_ignored = np.asarray(entry['dtIgnore'], bool)
        is_matched = np.asarray(entry['dtMatches']) > 0
        exported[names[entry['video_id']]][str(entry['category_id'])] = dict(
            num_gts=int(np.count_nonzero(np.equal(entry['gtIgnore'], 0))),
            scores=[float(score) for score in entry['dtScores']],
            right=(is_matched & ~is_ignored).astype(int).tolist(),
            wrong=(~is_matched & ~is_ignored).astype(int).tolist(),
        )
    return exported
