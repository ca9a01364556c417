# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""AP of groups of classes, such as the base and novel ones of LV-VIS."""

from projects.maxtron.evaluation import ClipYouTubeVISMetric
from projects.maxtron.evaluation.instance_files import read_instance_videos

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from tests.test_evaluation.instance_samples import (
    EXPECTED,
    PARITY,
    build,
    evaluate,
)

GROUPS = dict(base=[2, 0], novel=[1], absent=[])


def test_golden_classes_in_the_runner_and_in_files():
    """The AP of a group is the mean of those of its classes."""
    metric = build(metric_items=ClipYouTubeVISMetric.STATS)
    metric.dataset_meta['class_groups'] = GROUPS
    report = evaluate(metric)
    ap = [EXPECTED['ap_per_category'][str(k)] for k in (1, 2, 3)]
    for name, value in (
        ('mAP', sum(ap) / 3),
        ('mAP_base', (ap[0] + ap[2]) / 2),
        ('mAP_novel', ap[1]),
        ('mAP_absent', -1),
    ):
        assert report[f'youtube_vis/segm_{name}'] == pytest.approx(value)
    assert len(report) == 4 * len(ClipYouTubeVISMetric.STATS)

    _, videos = read_instance_videos(
        str(PARITY / 'metric_results.json'), str(PARITY / 'metric_gt.json')
    )
    found = metric.compute_metrics(
        [(about, video.gts, video.preds) for about, video in videos]
    )
    assert found == pytest.approx(
        {key.partition('/')[2]: value for key, value in report.items()}
    )


def test_example_by_hand():
    """Half of the things of class 0 are found, all of 1, none of 2."""
    left, right = [1, 1, 0, 0], [0, 0, 1, 1]
    gts = [(0, left), (0, right), (1, left), (2, left)]
    preds = [(0, 0.9, left), (1, 0.8, left), (2, 0.7, right), (3, 0.9, left)]
    metric = build(metric_items=('mAP', 'AR@10'))
    metric.dataset_meta = dict(
        classes='abcd', class_groups=dict(base=[0, 1], novel=[2, 3])
    )
    found = metric.compute_metrics([make_video(1, gts, preds)])
    # At 51 of 101 recalls, 0 to 0.5, the precision of class 0 is 1. Class 3
    # has no ground truth.
    assert found == pytest.approx(
        {
            'segm_mAP': (51 / 101 + 1 + 0) / 3,
            'segm_mAP_base': (51 / 101 + 1) / 2,
            'segm_mAP_novel': 0,
            'segm_AR@10': (0.5 + 1 + 0) / 3,
            'segm_AR@10_base': (0.5 + 1) / 2,
            'segm_AR@10_novel': 0,
        }
    )


def encode(pixels):
    rle = mask_utils.encode(np.asfortranarray([pixels], dtype=np.uint8))
    return dict(rle, counts=rle['counts'].decode())


def make_video(number, gts, preds):
    """A video of one frame: (label, [score, ] pixels) of each track."""
    about = dict(id=number, name=str(number), height=1, width=len(gts[0][-1]))
    return (
        dict(about, order=[0]),
        [
            dict(
                video_id=number,
                category_id=label + 1,
                iscrowd=0,
                segmentations=[encode(pixels)],
                areas=[int(sum(pixels))],
            )
            for label, pixels in gts
        ],
        [
            dict(
                video_id=number,
                category_id=label + 1,
                score=score,
                segmentations=[encode(pixels)],
            )
            for label, score, pixels in preds
        ],
    )


def plain_ap(videos):
    """Compute AP by its definition, for the tracks of one class.

    Args:
        videos (list): For each video the annotated masks, and (score, mask)
            of the predictions.
    """
    num_gts = sum(len(gts) for gts, _ in videos)
    values = []
    for threshold in np.linspace(0.5, 0.95, 10):
        hits = []
        for gts, preds in videos:
            free = list(range(len(gts)))
            for score, pixels in sorted(preds, key=lambda x: -x[0]):
                ious = {
                    (gts[g] & pixels).sum() / (gts[g] | pixels).sum(): g
                    for g in free
                }
                is_hit = max(ious, default=0) >= threshold
                if is_hit:
                    free.remove(ious[max(ious)])
                hits.append((score, is_hit))
        found = np.cumsum([x[1] for x in sorted(hits, key=lambda x: -x[0])])
        precisions = found / np.arange(1, len(found) + 1)
        recalls = np.linspace(0, 1, 101)[:, None]
        reached = found / num_gts >= recalls  # (recall, prediction)
        values.append(np.where(reached, precisions, 0).max(1).mean())
    return np.mean(values)


def draw_masks(rng, num_gts):
    """Draw masks of one row of 8 pixels, none of them empty.

    Returns:
        tuple: Annotated masks, and masks that resemble them, and others.
    """
    gts = rng.random((num_gts, 8)) < 0.4
    others = rng.random((2, 8)) < 0.4
    preds = np.concatenate([gts, others])
    preds ^= rng.random(preds.shape) < 0.15
    gts[:, 0] = preds[:, 0] = True
    return gts, preds


def test_plain_definition_on_200_random_sets():
    """Each class is a random set of tracks, and half of them are base."""
    rng, num_sets = np.random.default_rng(0), 200
    scores = iter(rng.permutation(10 * num_sets) / (10 * num_sets))
    videos = [([], []) for _ in range(2)]
    expected = []
    for label in range(num_sets):
        sets = []
        for gts, preds in videos:
            drawn, masks = draw_masks(rng, rng.integers(1, 4))
            scored = [(next(scores), mask) for mask in masks]
            gts += [(label, mask) for mask in drawn]
            preds += [(label, *item) for item in scored]
            sets.append((drawn, scored))
        expected.append(plain_ap(sets))
    labels = rng.permutation(num_sets)
    groups = dict(base=labels[:100].tolist(), novel=labels[100:].tolist())
    metric = build(metric_items=('mAP',), classwise=True)
    metric.dataset_meta = dict(
        classes=[f'{i}' for i in range(num_sets)], class_groups=groups
    )
    found = metric.compute_metrics(
        [make_video(i, *video) for i, video in enumerate(videos, 1)]
    )
    assert np.std(expected) > 0.1
    for label, value in enumerate(expected):
        assert found[f'{label}_precision'] == pytest.approx(value)
    for name, labels in groups.items():
        mean = np.mean([expected[label] for label in labels])
        assert found[f'segm_mAP_{name}'] == pytest.approx(mean)
    assert found['segm_mAP'] == pytest.approx(np.mean(expected))
