# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracking metrics, by hand and on the golden videos."""

import sys

from projects.maxtron.errors import InputError
from projects.maxtron.evaluation.functional.tracking import (
    make_frames,
    measure_tracks,
    panoptic_tracks,
    summarize_tracks,
)

import numpy as np
import pytest
from mmdet.registry import METRICS

from tests.test_evaluation.panoptic_samples import VIDEOS as GOLDEN_VIDEOS
from tests.test_evaluation.panoptic_samples import build, evaluate, make_sample
from tests.test_evaluation.test_oracles import (
    CAR,
    DOG,
    IS_THING,
    ROAD,
    A,
    B,
    count,
    instances,
)


def measure(video):
    tracks = panoptic_tracks(video, IS_THING)
    return summarize_tracks(
        [{k: measure_tracks(x) for k, x in tracks.items()}]
    )


def test_switch_of_an_id_by_hand():
    # Each predicted track has 2 of the 4 frames: AssA is 2 / (4 + 2 - 2).
    ids = [[7], [7], [8], [8]]
    data = make_frames([[3]] * 4, ids, [np.ones((1, 1))] * 4)
    found = summarize_tracks([{0: measure_tracks(data)}])
    per_class = found.pop('per_class')
    assert found == pytest.approx(
        dict(HOTA=100 * 0.5**0.5, DetA=100, AssA=50, IDF1=50, IDSW=1)
    )
    assert per_class == {0: pytest.approx(found)}


def test_similarity_is_the_iou_of_masks():
    # IoU 3 / 4: 15 of the 19 thresholds 0.05, 0.1, ..., 0.95 accept it.
    video = count([[1, 1, 1, 1]] * 2, [[2, 2, 2, 0]] * 2, {1: CAR}, {2: CAR})
    found = measure(video)
    assert found['DetA'] == pytest.approx(100 * 15 / 19)
    assert found['IDF1'] == pytest.approx(100)


def test_classes_are_measured_alone():
    gt = [[1, 1, 2, 2]] * 2
    video = count(gt, gt, {1: CAR, 2: DOG}, {1: CAR, 2: CAR})
    found = measure(video)
    assert found['per_class'][CAR]['DetA'] == pytest.approx(50)
    assert found['per_class'][DOG]['DetA'] == 0
    assert found['DetA'] == pytest.approx(25)
    assert set(found['per_class']) == {CAR, DOG}
    assert measure(count(gt, gt, {1: ROAD, 2: 3}, {1: ROAD, 2: 3})) == dict(
        HOTA=None, DetA=None, AssA=None, IDF1=None, IDSW=None, per_class={}
    )


def test_void_is_no_false_detection():
    gt = [[1, 1, 0, 0, 0, 3]] * 2
    pred = [[1, 1, 2, 2, 2, 2]] * 2  # 3 of 4 pixels of 2 are void
    video = count(gt, pred, {1: CAR, 3: ROAD}, {1: CAR, 2: CAR})
    assert measure(video)['DetA'] == pytest.approx(100)
    pred = [[1, 1, 2, 2, 3, 3]] * 2
    gt = [[1, 1, 0, 4, 3, 3]] * 2
    video = count(
        gt, pred, {1: CAR, 3: ROAD, 4: DOG}, {1: CAR, 2: CAR, 3: ROAD}
    )
    assert measure(video)['per_class'][CAR]['DetA'] == pytest.approx(50)


def test_panoptic_metric():
    metric = build('Tracking', classwise=True)
    found = evaluate([metric], [*map(make_sample, GOLDEN_VIDEOS)])
    assert 0 < found['vps/HOTA'] < 100
    assert found['vps/IDSW'] > 0


def test_instance_metric():
    metric = METRICS.build(
        dict(type='InstanceTrackingMetric', score_thr=0.5, _scope_='mmdet')
    )
    metric.dataset_meta = dict(classes=['car', 'dog'])
    gts = [(1, [A] * 4), (2, [B] * 4)]
    swapped = [(1, 0.9, [A, A, B, B]), (1, 0.8, [B, B, A, A])]
    low = (2, 0.4, [B] * 4)
    ((about, video),) = instances(gts, [*swapped, low]).videos
    found = metric.compute_metrics([(about, *video)])
    # Of the class "car" 4 of 8 masks are right, in two tracks; no dog.
    assert found['DetA'] == pytest.approx(100 * (4 / 8) / 2)
    assert found['IDSW'] == 1
    assert metric.compute_metrics([(about, [], video.preds)]) == {}
    with pytest.raises(InputError, match='score_thr .* is 1; it must be in'):
        METRICS.build(dict(type='InstanceTrackingMetric', score_thr=1))


def test_crowds_of_instances():
    metric = METRICS.build(dict(type='InstanceTrackingMetric'))
    metric.dataset_meta = dict(classes=['car', 'dog'])
    gts, preds = [(1, [A] * 4), (1, [B] * 4)], [(1, 0.9, [A] * 4)]
    ((about, video),) = instances(gts, [*preds, (1, 0.8, [B] * 4)]).videos
    video.gts[1]['iscrowd'] = 1
    found = metric.compute_metrics([(about, *video)])
    assert found['DetA'] == pytest.approx(100)


def test_without_trackeval(monkeypatch):
    monkeypatch.setitem(sys.modules, 'trackeval', None)
    with pytest.raises(InputError, match='pip install --no-deps trackeval'):
        summarize_tracks([{0: {}}])
