# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Metrics of resampled videos, from small statistics of each video.

A resample draws as many videos as there are, with replacement (Efron, 1979).
It is described by how often it has each video, so that all resamples are
computed at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_RECALLS = np.linspace(0, 1, 101)
_CHUNK = 100  # resamples at a time, which bounds the memory


def draw_resamples(
    num_videos: int, num_resamples: int, seed: int = 0
) -> np.ndarray:
    """Draw how often each resample has each video.

    Args:
        num_videos (int): V.
        num_resamples (int): R.
        seed (int): Seed of the draws. Defaults to 0.

    Returns:
        np.ndarray: Counts, shape (R, V), int64; each row has the sum V.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(
        num_videos, np.full(num_videos, 1 / num_videos), num_resamples
    )


def resample_vpq(
    videos: Sequence[np.ndarray], is_thing: Sequence[bool], counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute VPQ of resamples.

    Args:
        videos (Sequence[np.ndarray]): For each video the sum of IoU and the
            numbers of matched, false and missed tubes of each window and
            class, shape (W, C, 4).
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        counts (np.ndarray): Result of :func:`draw_resamples`, (R, V).

    Returns:
        dict[str, np.ndarray]: VPQ, VPQ_Th and VPQ_St in percent, each (R,);
        nan without tubes.
    """
    sums = np.tensordot(counts, np.asarray(videos, float), 1)  # (R, W, C, 4)
    iou, tp, fp, fn = np.moveaxis(sums, -1, 0)  # each (R, W, C)
    tubes = tp + 0.5 * fp + 0.5 * fn
    quality = np.where(tubes > 0, iou / np.maximum(tubes, 0.5), np.nan)
    things = np.asarray(is_thing, bool)
    groups = {'': np.ones_like(things), '_Th': things, '_St': ~things}
    return {
        f'VPQ{suffix}': 100 * _mean(_mean(quality[..., group]))
        for suffix, group in groups.items()
    }


def resample_stq(
    videos: Sequence[Mapping[str, Any]], counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute STQ of resamples.

    Args:
        videos (Sequence[Mapping]): ``association``, ``num_tubes`` and
            ``pixels`` of each video, see :class:`STQStats`.
        counts (np.ndarray): Result of :func:`draw_resamples`, (R, V).

    Returns:
        dict[str, np.ndarray]: STQ, AQ and IoU in percent, each (R,).
    """
    association, num_tubes = (
        counts @ np.array([video[key] for video in videos], float)
        for key in ('association', 'num_tubes')
    )
    pixels = np.array([video['pixels'] for video in videos], float)
    right, annotated, predicted = np.moveaxis(
        np.tensordot(counts, pixels, 1), 1, 0
    )  # each (R, C + 1)
    union = annotated + predicted - right
    iou = _mean(np.where(union > 0, right / np.maximum(union, 1), np.nan))
    quality = association / np.maximum(num_tubes, 1)
    return dict(
        STQ=100 * np.sqrt(quality * iou), AQ=100 * quality, IoU=100 * iou
    )


def resample_ap(
    videos: Sequence[Mapping[str, Mapping[str, Any]]], counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute track AP of resamples.

    Args:
        videos (Sequence[Mapping]): For each video by class: ``num_gts``, the
            ``scores`` (n,) of its predictions, and, for each of the ten
            thresholds, whether they are ``right`` and ``wrong``, each
            (10, n); neither for a prediction that is ignored.
        counts (np.ndarray): Result of :func:`draw_resamples`, (R, V).

    Returns:
        dict[str, np.ndarray]: AP, AP50 and AP75 in percent, each (R,).
    """
    by_class = [
        _resample_class([video.get(label) for video in videos], counts)
        for label in sorted({label for video in videos for label in video})
    ]
    precision = _mean(np.moveaxis(np.array(by_class), 0, -1))  # (R, 10)
    return dict(
        AP=100 * _mean(precision),
        AP50=100 * precision[:, 0],
        AP75=100 * precision[:, 5],
    )


def _resample_class(
    videos: Sequence[Mapping[str, Any] | None], counts: np.ndarray
) -> np.ndarray:
    """Compute the AP of a class at each threshold, (R, 10)."""
    own_gts = np.array([v['num_gts'] if v else 0 for v in videos])
    num_gts = counts @ own_gts
    own = [n for n, v in enumerate(videos) if v and v['scores']]
    result = np.where(num_gts[:, None] > 0, 0.0, np.nan).repeat(10, 1)
    if not own:
        return result
    chosen = [videos[n] or {} for n in own]
    scores = np.concatenate([v['scores'] for v in chosen])
    order = np.argsort(-scores, kind='mergesort')
    right, wrong = (
        np.concatenate([np.asarray(v[key], float) for v in chosen], 1)
        for key in ('right', 'wrong')
    )
    source = np.repeat(own, [len(v['scores']) for v in chosen])[order]
    right, wrong = right[:, order], wrong[:, order]  # (10, n)
    for start in range(0, len(counts), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(counts)))
        rows = rows[num_gts[rows] > 0]
        weights = counts[rows][:, None, source]  # (r, 1, n)
        true = np.cumsum(weights * right, -1)
        false = np.cumsum(weights * wrong, -1)
        precision = true / np.maximum(true + false, np.spacing(1))
        precision = np.maximum.accumulate(precision[..., ::-1], -1)[..., ::-1]
        recall = true / num_gts[rows, None, None]
        for r, row in enumerate(rows):
            for t in range(len(right)):
                index = recall[r, t].searchsorted(_RECALLS)
                reached = index < len(source)
                values = precision[r, t, index[reached]]
                result[row, t] = values.sum() / len(_RECALLS)
    return result


def _mean(values: np.ndarray) -> np.ndarray:
    """Average the last axis without nan; nan if all are nan."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(-1)
    number = known.sum(-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def interval(values: np.ndarray, share: float = 0.95) -> tuple[float, float]:
    """Return the central interval that has a share of the values.

    Args:
        values (np.ndarray): Values of the resamples, (R,); nan is left out.
        share (float): Share of the values. Defaults to 0.95.

    Returns:
        tuple[float, float]: Its ends.
    """
    low, high = np.nanquantile(values, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
