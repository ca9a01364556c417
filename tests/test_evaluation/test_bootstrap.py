# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Resampled metrics equal the metrics of videos that are repeated."""

import json

from projects.maxtron.evaluation.bootstrap import draw_resamples, interval
from projects.maxtron.evaluation.functional import (
    STQStats,
    TubeStats,
    summarize_stq,
    summarize_vpq,
)

import numpy as np
import pytest

from tests.test_evaluation.instance_samples import EXPECTED, GT, RESULTS
from tests.test_evaluation.instance_samples import build as build_ap
from tests.test_evaluation.panoptic_samples import VIDEOS as GOLDEN_VIDEOS
from tests.test_evaluation.panoptic_samples import build, evaluate, make_sample
from tools.analysis_tools.paired_bootstrap import compare, resample

COUNTS = draw_resamples(len(GOLDEN_VIDEOS), 5)


def test_draws():
    counts = draw_resamples(7, 2000)
    assert (counts.sum(1) == 7).all()
    assert counts.mean(0) == pytest.approx(np.ones(7), abs=0.1)
    assert (counts == draw_resamples(7, 2000)).all()
    assert (counts != draw_resamples(7, 2000, seed=1)).any()
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert interval(np.array([np.nan, 1.0, 1.0])) == (1, 1)


@pytest.fixture(scope='module')
def measured():
    """Stats of the golden videos, as metrics keep them and as they write."""
    metrics = [build(name) for name in ('VPQ', 'STQ')]
    evaluate(metrics, [*map(make_sample, GOLDEN_VIDEOS)])
    return metrics


def repeat(items, counts):
    return [x for x, count in zip(items, counts) for _ in range(count)]


def test_vpq(measured):
    metric = measured[0]
    stats = json.loads(json.dumps(metric.video_stats))
    names = list(stats['videos'])
    found = resample(stats, names, COUNTS)
    for r, counts in enumerate(COUNTS):
        chosen = [
            np.array(x) for x in repeat(stats['videos'].values(), counts)
        ]
        sums = {
            k: TubeStats(*np.moveaxis(sum(x[i] for x in chosen), -1, 0), 1)
            for i, k in enumerate(metric.windows)
        }
        expected = summarize_vpq(sums, metric.is_thing)['VPQ']
        assert found['VPQ'][r] == pytest.approx(expected['All'])
        assert found['VPQ_Th'][r] == pytest.approx(expected['Things'])


def test_values_of_all_videos(measured):
    values = evaluate(measured, [*map(make_sample, GOLDEN_VIDEOS)])
    for metric, names in zip(measured, (('VPQ', 'VPQ_St'), ('STQ', 'AQ'))):
        stats = metric.video_stats
        once = np.ones((1, len(GOLDEN_VIDEOS)), int)
        found = resample(stats, list(stats['videos']), once)
        scale = 100 if metric is measured[1] else 1
        for name in names:
            assert found[name][0] == pytest.approx(
                scale * values[f'vps/{name}']
            )


def test_stq(measured):
    stats = measured[1].video_stats
    found = resample(stats, list(stats['videos']), COUNTS)
    for r, counts in enumerate(COUNTS):
        chosen = [
            STQStats(
                'video',
                1,
                x['association'],
                x['num_tubes'],
                np.array(x['pixels']),
            )
            for x in repeat(stats['videos'].values(), counts)
        ]
        assert found['STQ'][r] == pytest.approx(
            100 * summarize_stq(chosen)['STQ']
        )


def ap_results(videos):
    """Results of the golden case; videos can be repeated."""
    results = []
    for number, video in enumerate(videos, 1):
        about = dict(video, id=number, name=str(number), order=range(6))
        gts, preds = (
            [x for x in of if x['video_id'] == video['id']]
            for of in (GT['annotations'], RESULTS)
        )
        results.append((about, gts, preds))
    return results


def test_ap():
    metric = build_ap()
    videos = GT['videos']
    metric.compute_metrics(ap_results(videos))
    stats = json.loads(json.dumps(metric.video_stats))
    assert list(stats['videos']) == ['1', '2', '3', '4']
    counts = np.array([[1, 1, 1, 1], [0, 1, 2, 1], [2, 0, 0, 2]])
    found = resample(stats, list(stats['videos']), counts)
    assert found['AP'][0] == pytest.approx(100 * EXPECTED['stats']['AP'])
    assert found['AP50'][0] == pytest.approx(100 * EXPECTED['stats']['AP50'])
    for r in (1, 2):
        values = metric.compute_metrics(ap_results(repeat(videos, counts[r])))
        # A repeated prediction counts at once, and not one by one.
        assert found['AP'][r] == pytest.approx(
            100 * values['segm_mAP'], abs=1.5
        )


def write_stats(folder, metric, change=None):
    path = folder / '20260101_000000/vis_data/video_stats.json'
    path.parent.mkdir(parents=True)
    stats = json.loads(json.dumps(metric.video_stats))
    if change:
        change(stats)
    path.write_text(json.dumps([stats]))
    return str(folder)


def test_paired_comparison(measured, tmp_path):
    first = write_stats(tmp_path / 'a', measured[0])
    rows = compare(first, write_stats(tmp_path / 'b', measured[0]), 50)
    assert [row[0] for row in rows] == ['VPQ', 'VPQ_Th', 'VPQ_St']
    assert rows[0][3:] == ['+0.00', '+0.00 to +0.00', '0 %']

    def lose(stats):  # the matched tubes of all videos become missed ones
        for video in stats['videos'].values():
            for window in video:
                window[:] = [[0, 0, fp, fn + tp] for _, tp, fp, fn in window]

    worse = write_stats(tmp_path / 'c', measured[0], lose)
    (row, *_) = compare(worse, first, 50)
    assert row[1] == '0.00' and row[3] == f'+{row[2]}' and row[5] == '100 %'
    low, high = map(float, row[4].split(' to '))
    assert 0 < low < float(row[3]) < high


def test_tests_that_cannot_be_compared(measured, tmp_path):
    first = write_stats(tmp_path / 'a', measured[0])
    with pytest.raises(
        ValueError, match='has no TIMESTAMP/vis_data/video_stats.json'
    ):
        compare(first, str(tmp_path), 5)
    other = write_stats(tmp_path / 'b', measured[1])
    with pytest.raises(ValueError, match='have no metric in common'):
        compare(first, other, 5)
    fewer = write_stats(
        tmp_path / 'c', measured[0], lambda s: s['videos'].popitem()
    )
    with pytest.raises(ValueError, match='have different videos'):
        compare(first, fewer, 5)
