# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import math

from projects.maxtron.datasets.synthetic.formats import segment_ids
from projects.maxtron.evaluation.functional import (
    CROSSING,
    EVENT_KINDS,
    RETURN,
    IdEvent,
    VideoCounter,
    count_pairs,
    count_stable_ids,
    find_gaps,
    find_things,
    gap_kind,
    summarize_stable_ids,
)

import numpy as np
import pytest

from tests.test_evaluation.panoptic_samples import VIDEOS as GOLDEN_VIDEOS
from tests.test_evaluation.panoptic_samples import build, evaluate, make_sample

IS_THING = (True, False)
A, B, STUFF = 1, 2, 9  # ids of the ground truth


def count(frames, times=None):
    """Count a video of frames (ids of the ground truth, predicted ids)."""
    counter = VideoCounter('video', {0: 0, 1: 1})
    for t, (gt, pred) in enumerate(frames):
        time = None if times is None else times[t]
        maps = [np.array([ids]) for ids in (gt, pred)]
        segments = [
            [
                dict(id=i, category_id=int(i == STUFF))
                for i in np.unique(ids).tolist()
                if i
            ]
            for ids in maps
        ]
        counter.add(str(t), count_pairs(*maps, str(t)), *segments, time)
    return counter.result()


def tubes(gt, pred):
    """Frames whose things have two pixels each: one item per frame."""
    return count(
        [
            (np.repeat(ids, 2), np.repeat(others, 2))
            for ids, others in zip(gt, pred)
        ]
    )


def values(video, events):
    return summarize_stable_ids([count_stable_ids(video, IS_THING, events)])


def test_things_are_found_by_their_iou():
    video = count(
        [
            # 3 of 4 pixels; 2 of 4 are not enough; the stuff does not count
            ([A, A, A, B, B, B, B], [5, 5, 5, 5, 6, 6, 7]),
            ([A, A, A, A, 0, 0, STUFF], [5, 5, 5, 5, 5, 5, 8]),
            ([B, B, B, B, STUFF, 0, 0], [8, 8, 8, 0, 8, 0, 0]),
        ]
    )
    found = find_things(video, IS_THING)
    assert found.keys() == {A, B}
    # 5 covers A and one pixel of B: 3 / 4. Pixels of void do not count.
    assert found[A].tolist() == [5, 5, -1]
    assert found[B].tolist() == [0, -1, 8]


@pytest.mark.parametrize(
    'pred, kept, switches',
    [
        ([[5, 6]] * 6, 100, 0),
        ([[5, 6]] * 3 + [[6, 5]] * 3, 0, 2),
        # One thing is new after the meeting.
        ([[5, 6]] * 3 + [[7, 6]] * 3, 50, 1),
        # Not found after the meeting: its id is lost, but did not change.
        ([[5, 6]] * 3 + [[0, 6]] * 3, 50, 0),
        # A wrong id during the meeting does not count as a loss.
        ([[5, 6]] * 2 + [[6, 5]] + [[5, 6]] * 3, 100, 4),
    ],
)
def test_crossing_of_twins(pred, kept, switches):
    video = tubes([[A, B]] * 6, pred)
    events = [IdEvent(thing, CROSSING, 3, 3) for thing in (A, B)]
    summary = values(video, events)
    assert summary[CROSSING] == kept
    assert summary['num crossing'] == 2
    assert summary['switches'] == switches
    assert all(summary[kind] is None for kind in EVENT_KINDS[1:])


def test_share_of_things_that_keep_their_id():
    # A has one id; B is found in 2 of 6 frames, too few.
    video = tubes([[A, B]] * 6, [[5, 6]] * 2 + [[5, 0]] * 4)
    assert values(video, [])['kept'] == 50
    video = tubes([[A, B]] * 6, [[5, 6]] * 3 + [[5, 0]] * 3)
    assert values(video, [])['kept'] == 100
    video = tubes([[A, B]] * 6, [[5, 6]] * 5 + [[5, 7]])
    assert values(video, [])['kept'] == 50
    assert summarize_stable_ids([])['kept'] is None


def test_gaps():
    assert [gap_kind(n, 2) for n in (1, 4, 5, 12, 13, 99)] == [
        'gap 1-2',
        'gap 1-2',
        'gap 3-6',
        'gap 3-6',
        'gap 7+',
        'gap 7+',
    ]
    gt = [[A]] * 2 + [[0]] * 3 + [[A]] * 2 + [[0]] * 5 + [[A]] + [[0]]
    same = [[5]] * 14
    events = find_gaps(tubes(gt, same), IS_THING, clip_len=2)
    assert events == [
        IdEvent(A, 'gap 1-2', 2, 5),
        IdEvent(A, 'gap 3-6', 7, 12),
    ]
    summary = values(tubes(gt, same), events)
    assert (summary['gap 1-2'], summary['gap 3-6']) == (100, 100)
    # The id changes in the second gap; before it, that of the first frames
    # does not count.
    other = [[4]] * 2 + [[5]] * 5 + [[6]] * 7
    summary = values(tubes(gt, other), events)
    assert (summary['gap 1-2'], summary['gap 3-6']) == (0, 0)
    summary = values(tubes(gt, [[5]] * 7 + [[6]] * 7), events)
    assert (summary['gap 1-2'], summary['gap 3-6']) == (100, 0)
    assert summary['num gap 3-6'] == 1


def test_gaps_of_sparse_labels():
    """Frames 0, 5 and 15 of the video are annotated."""
    frames = [([A], [5]), ([STUFF], [6]), ([A], [7])]
    for times, kind in (((0, 5, 15), 'gap 7+'), (None, 'gap 1-2')):
        video = count(frames, times)
        events = find_gaps(video, IS_THING, clip_len=2)
        assert events == [IdEvent(A, kind, 1, 2)]
        assert values(video, events)[kind] == 0


def test_events_of_videos_are_added():
    video = tubes([[A]] * 4, [[5]] * 4)
    lost = tubes([[A]] * 4, [[5], [5], [6], [6]])
    events = [IdEvent(A, RETURN, 2, 2)]
    stats = [count_stable_ids(v, IS_THING, events) for v in (video, lost)]
    summary = summarize_stable_ids([*stats, stats[0]])
    assert summary[RETURN] == pytest.approx(200 / 3)
    assert summary['num return'] == 3


def test_scenarios_of_sparse_labels(tmp_path):
    """The frames of the file become annotated frames: 3 is before 5."""
    thing = segment_ids([201])[201]
    gap = dict(cause='behind', start=3, length=9)
    scenario = dict(
        name='video', crossings=[], instances=[dict(raw_id=201, gaps=[gap])]
    )
    path = tmp_path / 'scenarios_val.json'
    path.write_text(json.dumps([scenario]))
    meta = dict(classes=('car', 'sky'), thing_classes=('car',))
    metric = build('StableId', meta, scenarios=str(path))
    for ids, kept in (([5, 6, 5], 1), ([5, 5, 6], 0)):
        video = count([([thing], [i]) for i in ids], times=(0, 5, 15))
        assert metric.measure(video).events['gap 3-6'].tolist() == [kept, 1]


def test_metric():
    metric = build('StableId', clip_len=1)
    found = evaluate([metric], [*map(make_sample, GOLDEN_VIDEOS)])
    assert found['vps/id_switches'] > 0
    assert all(type(value) is float for value in found.values())
    assert 0 < found['vps/ids_kept'] < 100
    assert math.isnan(found['vps/ids_kept_crossing'])
    with pytest.raises(ValueError, match='clip_len of StableIdMetric is 0'):
        build('StableId', clip_len=0)
