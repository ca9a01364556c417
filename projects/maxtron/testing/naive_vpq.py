# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive VPQ of a window of frames, pixel by pixel."""

import numpy as np

Stats = dict[int, dict[str, float]]  # iou, tp, fp and fn by category


def naive_window(frames: list[tuple], stats: Stats) -> None:
    """Match the tubes of one window, term by term.

    Args:
        frames (list[tuple]): Annotated and predicted segments, annotated
            and predicted RGB mask of each frame.
        stats (dict): Sums by category, updated in place.
    """
    gt_tubes: dict[int, dict] = {}
    pred_tubes: dict[int, dict] = {}
    gt_maps, pred_maps = [], []
    for gt_segments, pred_segments, *masks in frames:
        gt_map, pred_map = (
            np.uint32(m[..., 0])
            + 256 * np.uint32(m[..., 1])
            + 65536 * np.uint32(m[..., 2])
            for m in masks
        )
        _add_areas(gt_tubes, gt_segments)
        areas = dict(
            zip(*(a.tolist() for a in np.unique(pred_map, return_counts=True)))
        )
        listed = {segment['id'] for segment in pred_segments}
        if areas.keys() - {0} != listed:
            raise ValueError('JSON and PNG have different segments.')
        unique = {
            s['id']: dict(s, area=areas[s['id']])
            for s in reversed(pred_segments)
        }
        _add_areas(pred_tubes, list(reversed(unique.values())))
        gt_maps.append(gt_map)
        pred_maps.append(pred_map)
    keys = np.uint64(np.stack(gt_maps)) << np.uint64(24)
    keys += np.uint64(np.stack(pred_maps))
    keys, counts = np.unique(keys, return_counts=True)
    pairs = {
        divmod(int(key), 1 << 24): int(count)
        for key, count in zip(keys, counts)
    }
    _match(gt_tubes, pred_tubes, pairs, stats)


def _add_areas(tubes: dict[int, dict], segments: list[dict]) -> None:
    """Add the areas of a frame to its tubes."""
    for segment in segments:
        if segment['id'] in tubes:
            tubes[segment['id']]['area'] += segment['area']
        else:
            tubes[segment['id']] = dict(segment)


def _match(
    gt_tubes: dict[int, dict],
    pred_tubes: dict[int, dict],
    pairs: dict[tuple[int, int], int],
    stats: Stats,
) -> None:
    """Count matched and unmatched tubes."""
    gt_matched, pred_matched = set(), set()
    for (gt_id, pred_id), shared in pairs.items():
        if gt_id not in gt_tubes or pred_id not in pred_tubes:
            continue
        gt_tube, pred_tube = gt_tubes[gt_id], pred_tubes[pred_id]
        category = gt_tube['category_id']
        if gt_tube['iscrowd'] or category != pred_tube['category_id']:
            continue
        union = (
            pred_tube['area']
            + gt_tube['area']
            - shared
            - pairs.get((0, pred_id), 0)
        )
        if shared / union > 0.5:
            stats[category]['tp'] += 1
            stats[category]['iou'] += shared / union
            gt_matched.add(gt_id)
            pred_matched.add(pred_id)
    _count_unmatched(
        {k: v for k, v in gt_tubes.items() if k not in gt_matched},
        {k: v for k, v in pred_tubes.items() if k not in pred_matched},
        pairs,
        stats,
    )


def _count_unmatched(
    gt_tubes: dict[int, dict],
    pred_tubes: dict[int, dict],
    pairs: dict[tuple[int, int], int],
    stats: Stats,
) -> None:
    """Count missed tubes, and predictions that are not mostly ignored."""
    crowds = {}
    for gt_id, tube in gt_tubes.items():
        if tube['iscrowd']:
            crowds[tube['category_id']] = gt_id
        else:
            stats[tube['category_id']]['fn'] += 1
    for pred_id, tube in pred_tubes.items():
        ignored = pairs.get((0, pred_id), 0)
        if tube['category_id'] in crowds:
            ignored += pairs.get((crowds[tube['category_id']], pred_id), 0)
        if ignored / tube['area'] <= 0.5:
            stats[tube['category_id']]['fp'] += 1
