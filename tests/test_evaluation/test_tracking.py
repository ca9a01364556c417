# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracking metrics, by hand and on the golden videos."""

import sys
from itertools import permutations

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

ASSIGNMENTS = np.array(list(permutations(range(5), 4)))


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


def plain(videos):
    """Compute the metrics by their definitions, for things of one pixel.

    Args:
        videos (list[tuple]): Annotated ids 1 to 4 and predicted ids 1 to 5 of
            every pixel, each (T, P); 0 is no thing.
    """
    num_gts = num_preds = num_pairs = association = hits = switches = 0
    for gt, pred in videos:
        masks = [gt == i for i in range(1, 5)]
        others = [pred == i for i in range(1, 6)]
        shared = np.array([[(a & b).sum() for b in others] for a in masks])
        sizes, areas = (np.sum(x, axis=(1, 2)) for x in (masks, others))
        union = sizes[:, None] + areas - shared
        num_gts += sizes.sum()
        num_preds += areas.sum()
        num_pairs += shared.sum()
        association += (shared**2 / np.maximum(union, 1)).sum()
        hits += shared[range(4), ASSIGNMENTS].sum(1).max()
        for mask in masks:
            switches += np.count_nonzero(np.diff(pred[mask & (pred > 0)]))
    detection = num_pairs / (num_gts + num_preds - num_pairs)
    association /= max(num_pairs, 1)
    return dict(
        HOTA=100 * (detection * association) ** 0.5,
        DetA=100 * detection,
        AssA=100 * association,
        IDF1=200 * hits / (num_gts + num_preds),
        IDSW=switches,
    )


def draw_video(rng):
    """Draw ids; most frames have the same predicted id at a pixel."""
    gt = np.zeros((rng.integers(1, 5), 6), int)
    gt[:, :4] = range(1, 5)
    gt[rng.random(gt.shape) < 0.3] = 0
    pred = np.tile(rng.permutation(6), (len(gt), 1))
    for row in pred:
        if rng.random() < 0.3:
            rng.shuffle(row)
    pred[rng.random(gt.shape) < 0.2] = 0
    gt[0, 0] = 1
    return gt, pred


def test_plain_definitions_on_200_random_sets():
    rng = np.random.default_rng(0)
    labels = dict.fromkeys(range(1, 6), CAR) | {9: ROAD}
    videos, stats = [], []
    for _ in range(200):
        gt, pred = draw_video(rng)
        # pixels without a thing are stuff, not void
        maps = [np.where(x > 0, x, 9) for x in (gt, pred)]
        tracks = panoptic_tracks(count(*maps, labels, labels), IS_THING)
        videos.append((gt, pred))
        stats.append({k: measure_tracks(x) for k, x in tracks.items()})
        found = summarize_tracks(stats[-1:])['per_class'][CAR]
        assert found == pytest.approx(plain(videos[-1:]))
    found = summarize_tracks(stats)
    assert found['per_class'][CAR] == pytest.approx(plain(videos))


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
    pred = [[1, 1, 1, 1, 1, 3]] * 2  # 3 of 5 pixels are void, the IoU is 1
    video = count(gt, pred, {1: CAR, 3: ROAD}, {1: CAR, 3: ROAD})
    assert measure(video)['DetA'] == pytest.approx(100)
    pred = [[1, 1, 2, 2, 3, 3]] * 2
    gt = [[1, 1, 0, 4, 3, 3]] * 2
    video = count(
        gt, pred, {1: CAR, 3: ROAD, 4: DOG}, {1: CAR, 2: CAR, 3: ROAD}
    )
    assert measure(video)['per_class'][CAR]['DetA'] == pytest.approx(50)


def test_prediction_in_a_crowd_is_left_out():
    ids = [[1, 1, 2, 2, 2]] * 2
    labels = {1: CAR, 2: CAR}
    video = count(ids, ids, labels, labels)
    crowd = video.gt._replace(is_crowd=video.gt.ids == 2)
    assert measure(video._replace(gt=crowd))['DetA'] == pytest.approx(100)
    other = count(ids, ids, labels, labels | {2: DOG})
    found = measure(other._replace(gt=crowd))['per_class']
    assert (found[CAR]['DetA'], found[DOG]['DetA']) == (100, 0)


def test_panoptic_metric():
    metric = build('Tracking', classwise=True)
    found = evaluate([metric], [*map(make_sample, GOLDEN_VIDEOS)])
    assert 0 < found['vps/HOTA'] < 100
    assert found['vps/IDSW'] > 0
    assert all(type(value) is float for value in found.values())


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
