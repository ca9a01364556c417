# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Oracles of errors, on videos whose right answers are known."""

from projects.maxtron.evaluation.functional import (
    VideoCounter,
    count_associations,
    count_pairs,
    count_tubes,
    summarize_stq,
    summarize_vpq,
)
from projects.maxtron.evaluation.oracles import (
    ORACLES,
    InstanceOutcome,
    InstanceVideo,
    PanopticOutcome,
    apply_oracles,
)

import numpy as np
import pytest
from pycocotools import mask as mask_utils

CAR, DOG, ROAD, SKY = range(4)
IS_THING = (True, True, False, False)
NAMES = list(ORACLES)
ASSOCIATION, CLASSES, FALSE, MISSING, MASKS = NAMES


def count(gt, pred, gt_labels, pred_labels):
    """Count the pixels of rows of ids, one row per frame; 0 is void."""
    counter = VideoCounter('video', dict(zip(range(4), range(4))))
    for t, maps in enumerate(zip(gt, pred)):
        maps = [np.array([ids]) for ids in maps]
        segments = [
            [
                dict(id=i, category_id=labels[i])
                for i in np.unique(ids).tolist()
                if i
            ]
            for ids, labels in zip(maps, (gt_labels, pred_labels))
        ]
        counter.add(str(t), count_pairs(*maps, str(t)), *segments)
    return counter.result()


def vpq(video, window=2):
    stats = {window: count_tubes(video, window, 4)}
    return summarize_vpq(stats, IS_THING)['VPQ']['All']


def stq(video):
    return summarize_stq([count_associations(video, IS_THING, False)])['STQ']


def segments(video):
    """List (frame, id, label, area) of the prediction."""
    pred = video.pred
    rows = zip(pred.frames, pred.ids, pred.labels, pred.areas)
    return [tuple(map(int, row)) for row in rows]


GT = [[1, 1, 1, 1, 2, 2, 3, 3, 3, 3]] * 3
GT_LABELS = {1: CAR, 2: DOG, 3: ROAD}


@pytest.mark.parametrize(
    'oracle, pred, labels',
    [
        (ASSOCIATION, [GT[0], GT[0], [4, 4, 4, 4, 2, 2, 3, 3, 3, 3]], {4: 0}),
        # The ids are exchanged, so that the classes are wrong, too.
        (CLASSES, GT, {1: DOG}),
        (CLASSES, GT, {3: SKY}),
        (CLASSES, GT, {1: ROAD}),
        (MASKS, [[1, 1, 1, 0, 2, 2, 2, 3, 3, 3]] * 3, {}),
        (MISSING, [[0, 0, 0, 0, 2, 2, 3, 3, 3, 3]] * 3, {}),
        (MISSING, [[1, 1, 1, 1, 2, 2, 0, 0, 0, 3]] * 3, {}),
    ],
)
def test_one_kind_of_error(oracle, pred, labels):
    video = count(GT, pred, GT_LABELS, GT_LABELS | labels)
    assert vpq(video) < 100
    for name in NAMES:
        corrected = apply_oracles(video, IS_THING, [name])
        value = vpq(corrected), stq(corrected)
        if name == oracle:
            assert value == pytest.approx((100, 1))
        elif {name, oracle} != {MISSING, ASSOCIATION}:
            assert value[0] < 100


def test_false_segments_are_removed():
    gt = [[1, 1, 1, 1, 0, 3, 3, 3, 3]] * 2
    pred = [[1, 1, 1, 2, 2, 3, 3, 3, 3]] * 2
    video = count(gt, pred, GT_LABELS, GT_LABELS)
    removed = apply_oracles(video, IS_THING, [FALSE])
    assert {s[2] for s in segments(removed)} == {CAR, ROAD}
    assert vpq(video) == pytest.approx((75 + 0 + 100) / 3)
    assert vpq(removed) == pytest.approx((75 + 100) / 2)
    # Nothing else is false here.
    assert vpq(apply_oracles(video, IS_THING, [MISSING])) == vpq(video)


def test_unmatched_segment_stays_in_its_track():
    # In frame 1 the mask of the car is bad. It belongs to the same track.
    pred = [GT[0], [1, 0, 0, 0, 2, 2, 3, 3, 3, 3], [4, *[4] * 3, *GT[0][4:]]]
    video = count(GT, pred, GT_LABELS, GT_LABELS | {4: CAR})
    linked = apply_oracles(video, IS_THING, [ASSOCIATION])
    cars = [(t, i) for t, i, label, _ in segments(linked) if label == CAR]
    assert len({i for _, i in cars}) == 1
    assert [t for t, _ in cars] == [0, 1, 2]


def test_masks_exchange_pixels():
    gt = [[1, 1, 1, 1, 2, 2, 2, 2, 0]]
    pred = [[1, 1, 1, 2, 2, 2, 2, 4, 4]]
    video = count(gt, pred, GT_LABELS, GT_LABELS | {4: SKY})
    assert [(i, area) for _, i, _, area in segments(video)] == [
        (1, 3),
        (2, 4),
        (4, 2),
    ]
    exact = apply_oracles(video, IS_THING, [MASKS])
    things = [s for s in segments(exact) if s[2] in (CAR, DOG)]
    assert things == [(0, 1, CAR, 4), (0, 2, DOG, 4)]
    # The sky matches nothing: it loses the pixel of the dog only.
    assert [s[2:] for s in segments(exact) if s[2] == SKY] == [(SKY, 1)]


def test_all_oracles_make_random_predictions_perfect():
    generator = np.random.default_rng(0)
    for _ in range(30):
        gt, pred = generator.integers(0, 7, (2, 4, 12)).repeat(3, 2)
        pred = np.where(generator.random(gt.shape) < 0.6, gt, pred)
        # Ids 5 and 6 are stuff of different classes.
        gt_labels, labels = (
            dict(zip(range(1, 7), generator.permutation([0, 0, 1, 1])))
            for _ in range(2)
        )
        stuff = {5: ROAD, 6: SKY}
        labels |= dict(zip((5, 6), generator.permutation([ROAD, SKY])))
        video = count(gt, pred, gt_labels | stuff, labels)
        corrected = apply_oracles(video, IS_THING, NAMES)
        assert vpq(corrected, 3) == pytest.approx(100)
        assert stq(corrected) == pytest.approx(1)


def test_tracks_of_things():
    gt = [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    # The id changes after the gap: each half has AQ 1/2 * 1/2.
    pred = [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2]]
    video = count(gt, pred, {1: CAR}, {1: CAR, 2: CAR})
    results = PanopticOutcome([video], 'abcd', IS_THING, False, (2,))
    assert results.tracks() == [(2, 2, 0.5)]
    assert results.values()['AQ'] == pytest.approx(50)
    assert results.correct([ASSOCIATION]).tracks() == [(2, 2, 1.0)]


def encode(frames):
    """Encode rows of pixels; an empty row is None."""
    return [
        mask_utils.encode(np.asfortranarray([row], dtype=np.uint8))
        if any(row)
        else None
        for row in frames
    ]


def instances(gts, preds):
    """Results of a video of rows of pixels, (class, [score, ] frames)."""
    video = InstanceVideo(
        [
            dict(
                video_id=1,
                category_id=c,
                iscrowd=0,
                segmentations=encode(x),
                areas=[sum(row) or None for row in x],
            )
            for c, x in gts
        ],
        [
            dict(
                video_id=1, category_id=c, score=score, segmentations=encode(x)
            )
            for c, score, x in preds
        ],
    )
    about = dict(id=1, name='1', height=1, width=6, order=range(4))
    return InstanceOutcome([(about, video)], ['car', 'dog'])


A, B, EMPTY = [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0] * 6


@pytest.mark.parametrize(
    'oracle, preds',
    [
        # The objects change their ids in the middle.
        (ASSOCIATION, [(1, 0.9, [A, A, B, B]), (1, 0.8, [B, B, A, A])]),
        (CLASSES, [(2, 0.9, [A] * 4), (2, 0.8, [B] * 4)]),
        (MASKS, [(1, 0.9, [[1, 1, 0, 0, 0, 0]] * 4), (2, 0.8, [B] * 4)]),
        (MISSING, [(1, 0.9, [A] * 4)]),
        (
            FALSE,
            [
                (1, 0.9, [A] * 4),
                (2, 0.95, [[0, 0, 0, 1, 0, 0]] * 4),
                (2, 0.8, [B] * 4),
            ],
        ),
    ],
)
def test_one_kind_of_error_of_instances(oracle, preds):
    other = 1 if oracle == ASSOCIATION else 2
    results = instances([(1, [A] * 4), (other, [B] * 4)], preds)
    assert results.oracles == NAMES
    assert results.values()['AP'] < 99
    for name in NAMES:
        value = results.correct([name]).values()['AP']
        if name == oracle:
            assert value == pytest.approx(100)
        elif {name, oracle} != {ASSOCIATION, MISSING}:
            assert value < 99


def test_unmatched_mask_stays_in_its_track_of_instances():
    # The third mask is bad; the last one has another id.
    bad = [1, 0, 0, 0, 0, 0]
    results = instances(
        [(1, [A] * 4)],
        [(1, 0.9, [A, A, bad, EMPTY]), (2, 0.5, [EMPTY, EMPTY, EMPTY, A])],
    )
    (_, video), *_ = results.correct([ASSOCIATION]).videos
    (track,) = video.preds
    assert track['category_id'] == 1
    assert track['score'] == pytest.approx((3 * 0.9 + 0.5) / 4)
    areas = [int(mask_utils.area(x)) for x in track['segmentations']]
    assert areas == [3, 3, 1, 3]
    assert results.tracks() == [(4, 0, pytest.approx(7 / 12))]


def test_all_oracles_make_random_instances_perfect():
    generator = np.random.default_rng(0)
    for _ in range(10):
        gts = [(1, [A, EMPTY, A, A]), (2, [B] * 4)]
        preds = [
            (
                int(generator.integers(1, 3)),
                float(generator.random()),
                generator.random((4, 6)) < 0.5,
            )
            for _ in range(3)
        ]
        results = instances(gts, preds).correct(NAMES)
        assert results.values()['AP'] == pytest.approx(100)
        assert results.class_values() == pytest.approx([100, 100])
