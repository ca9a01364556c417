# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VPQ and STQ in numpy against golden numbers and plain algorithms."""

from collections import Counter, defaultdict

from projects.maxtron.evaluation.functional import (
    WINDOWS,
    TubeStats,
    VideoCounter,
    count_associations,
    count_pairs,
    count_tubes,
    summarize_stq,
    summarize_vpq,
)
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
    segments_to_count,
)
from projects.maxtron.testing.naive_vpq import naive_window

import numpy as np
import pytest

from tests.test_evaluation.panoptic_cases import (
    GOLDEN,
    IS_THING,
    NUM_CLASSES,
    RandomVideo,
    assert_golden_stq,
    assert_golden_vpq,
    golden_args,
)

LABELS = {i: i for i in range(NUM_CLASSES)}


def test_golden():
    categories, videos = list_videos(**golden_args())
    is_thing = [c['isthing'] for c in categories]
    counts = [count_video(video) for video in videos]
    stats = {
        k: sum(
            (count_tubes(v, k, len(categories)) for v in counts),
            TubeStats.zeros(len(categories)),
        )
        for k in WINDOWS
    }
    assert_golden_vpq(summarize_vpq(stats, is_thing))
    for k in WINDOWS:
        for label, want in GOLDEN['per_k'][str(k)]['per_class'].items():
            for key in ('iou', 'tp', 'fp', 'fn'):
                found = getattr(stats[k], key)[int(label)]
                assert abs(found - want[key]) < 1e-9
    assert_golden_stq(
        summarize_stq([count_associations(v, is_thing) for v in counts])
    )


def test_pairs_are_those_of_the_pixels():
    rng = np.random.default_rng(0)
    for size, dtype in (
        ((7, 5), np.uint16),
        ((1, 1), np.int32),
        ((40, 64), np.uint32),
    ):
        gt, pred = rng.integers(0, 3, (2, *size)).astype(dtype)
        pred[::2] += np.array(60000, dtype)
        gt, pred = gt[::-1], pred[::-1]  # not contiguous
        pairs = count_pairs(gt, pred, 'frame')
        found = dict(zip(zip(*(a.tolist() for a in pairs[:2])), pairs.counts))
        assert found == Counter(
            zip(gt.ravel().tolist(), pred.ravel().tolist())
        )
        assert len(found) == len(pairs.counts)


@pytest.mark.parametrize('seed', range(12))
def test_all_rules_against_the_plain_algorithm(seed):
    video = RandomVideo(seed, num_frames=1 + seed)
    frames, counts = list(video.rgb_frames()), video.counts()
    for window in (1, 2, 3, 6):
        plain = defaultdict(lambda: dict(iou=0.0, tp=0, fp=0, fn=0))
        for start in range(len(frames) - window + 1):
            naive_window(frames[start : start + window], plain)
        stats = count_tubes(counts, window, NUM_CLASSES)
        assert stats.num_windows == max(0, len(frames) - window + 1)
        for label in range(NUM_CLASSES):
            for key, value in plain[label].items():
                assert getattr(stats, key)[label] == pytest.approx(
                    value, abs=1e-12
                )


def test_random_videos_meet_every_rule():
    """The videos of the comparison above cover all rules."""
    seen = Counter()
    for seed in range(12):
        video = RandomVideo(seed, num_frames=1 + seed).counts()
        stats = count_tubes(video, 1, NUM_CLASSES)
        seen.update(tp=stats.tp.sum(), fp=stats.fp.sum(), fn=stats.fn.sum())
        crowds = video.gt.is_crowd
        groups = list(zip(video.gt.frames[crowds], video.gt.labels[crowds]))
        seen['two crowds'] += len(groups) - len(set(groups))
        seen['changing'] += sum(
            len(set(video.pred.labels[video.pred.tubes == tube])) > 1
            for tube in set(video.pred.tubes)
        )
        seen['void'] += (video.gt_rows < 0).sum()
        seen['ignored'] += (
            len(video.pred.frames) - stats.tp.sum() - stats.fp.sum()
        )
    assert min(seen.values()) > 10, seen


def naive_stq(videos, is_thing):
    """Compute STQ pixel by pixel, like the tool of VIPSeg."""
    tubes, quality, confusion = 0, 0.0, Counter()
    for video in videos:
        numbers = {'gt': {}, 'pred': {}}
        areas, gt_areas, pred_areas = Counter(), Counter(), Counter()
        for gt_segments, pred_segments, gt_map, pred_map in video.frames:
            of = {}
            for side, segments in (
                ('gt', gt_segments),
                ('pred', pred_segments),
            ):
                of[side, 0] = None, None
                for s in segments:
                    number = numbers[side].setdefault(
                        s['id'], len(numbers[side])
                    )
                    of[side, s['id']] = s['category_id'], number
            for g, p in zip(gt_map.ravel() * 4321, pred_map.ravel() * 4321):
                gt, pred = of['gt', int(g)], of['pred', int(p)]
                if gt[0] is not None:
                    confusion[gt[0], pred[0]] += 1
                gt_thing = gt[0] is not None and is_thing[gt[0]]
                pred_thing = pred[0] is not None and is_thing[pred[0]]
                if gt_thing and gt[1] == 0:
                    continue
                gt_areas[gt] += gt_thing
                pred_areas[pred] += pred_thing
                areas[gt, pred] += gt_thing and pred_thing
        for gt, size in gt_areas.items():
            tubes += size > 0
            for pred in pred_areas:
                shared = areas[gt, pred]
                if shared:
                    union = size + pred_areas[pred] - shared
                    quality += shared * shared / union / size
    ious = []
    for c in {c for pair in confusion for c in pair}:
        right = confusion[c, c]
        union = sum(n for pair, n in confusion.items() if c in pair)
        ious.append(right / union)
    aq, iou = quality / tubes, sum(ious) / len(ious)
    return dict(STQ=(aq * iou) ** 0.5, AQ=aq, IoU=iou)


def test_stq_against_the_plain_algorithm():
    videos = [merge_twins(RandomVideo(seed, 4)) for seed in range(5)]
    found = summarize_stq(
        [count_associations(v.counts(), IS_THING) for v in videos]
    )
    for key, value in naive_stq(videos, IS_THING).items():
        assert found[key] == pytest.approx(value, abs=1e-12)
    # among them videos whose first listed segment is a thing, and is ignored
    first = [IS_THING[v.frames[0][0][0]['category_id']] for v in videos]
    assert True in first and False in first


def merge_twins(video):
    """List every segment once: STQ does not read areas."""
    for gt_segments, pred_segments, *_ in video.frames:
        for segments in (gt_segments, pred_segments):
            unique = {s['id']: s for s in segments}
            segments[:] = unique.values()
    return video


def test_segments_to_count():
    """Areas are counted; a segment with area 0 may have no pixels."""
    pairs = count_pairs(np.array([[7, 8]]), np.array([[1, 1]]), 'here')
    listed = [
        dict(id=7, category=2, area=0),
        dict(id=8, category=1, iscrowd=1),
        dict(id=9, category=0, area=0),
        dict(id=10, category=0, area=5, iscrowd=None),
    ]
    assert segments_to_count(listed, pairs) == [
        dict(id=7, category_id=2, iscrowd=0),
        dict(id=8, category_id=1, iscrowd=1),
        dict(id=10, category_id=0, iscrowd=0),
    ]


def count(gt, pred, gt_segments, pred_segments):
    counter = VideoCounter('v7', LABELS)
    pairs = count_pairs(np.array([gt]), np.array([pred]), 'here')
    counter.add('00003', pairs, gt_segments, pred_segments)
    return counter.result()


def segment(segment_id, category_id, **kwargs):
    return dict(id=segment_id, category_id=category_id, **kwargs)


def test_bad_input():
    one, two = segment(1, 0), segment(2, 3)
    for gt, pred, message in (
        ([one], [], 'mask of the prediction has ids .* not have: 1'),
        (
            [one, two],
            [one],
            'ground truth has ids that its mask does not have: 2',
        ),
        ([], [one], 'mask of the ground truth'),
        ([one], [one, two], 'segments of the prediction has ids .*: 2'),
        ([one], [segment(1, 9)], 'prediction has the unknown category 9'),
        (
            [one, segment(1, 2)],
            [one],
            'lists segment 1 twice, with the categories 0 and 2',
        ),
        ([segment(0, 0)], [one], 'means void'),
        ([dict(id=1)], [one], 'has no category_id'),
    ):
        with pytest.raises(
            ValueError, match=f'video v7, frame 00003: .*{message}'
        ):
            count([1, 1], [1, 1], gt, pred)
    with pytest.raises(ValueError, match='here: .*1 x 3 .*truth 1 x 2'):
        count([1, 1], [1, 1, 1], [one], [one])
    counts = count([1, 1], [1, 1], [segment(1, 0, area=1)], [one])
    with pytest.raises(ValueError, match='v7: the annotated areas of segment'):
        count_tubes(counts, 1, NUM_CLASSES)
    with pytest.raises(ValueError, match='1 frame or more, not 0'):
        count_tubes(counts, 0, NUM_CLASSES)


def test_nothing_to_measure_is_no_error():
    """Void only, a video shorter than the window, and no video at all."""
    void = count([0, 0], [0, 0], [], [])
    missed = count([1, 1], [0, 0], [segment(1, 1)], [])
    stats = {k: count_tubes(missed, k, NUM_CLASSES) for k in (1, 2)}
    summary = summarize_vpq(stats, IS_THING)
    assert summary['VPQ']['All'] == summary['VPQ']['Stuff'] == 0
    assert summary['VPQ']['Things'] is None
    assert summary['windows'][2]['All'] == dict(pq=None, sq=None, rq=None, n=0)
    assert summary['windows'][2]['windows'] == 0
    for stats in (
        count_tubes(void, 1, NUM_CLASSES),
        TubeStats.zeros(NUM_CLASSES),
    ):
        assert summarize_vpq({1: stats}, IS_THING)['VPQ']['All'] is None
    found = summarize_stq(
        [count_associations(v, IS_THING) for v in (void, missed)]
    )
    assert (found['STQ'], found['AQ'], found['IoU']) == (0, 0, 0)
    assert found['per_class'] == [None, 0, None, None]


def test_peculiarities_of_stq():
    """A first listed thing is a crowd; a change of category is a new tube."""
    things = segment(5, 0), segment(6, 2)
    first = count([5, 5, 6, 6], [5, 6, 6, 6], things, things)
    stats = count_associations(first, IS_THING)
    assert stats.num_tubes == 1 and stats.association == 1
    assert stats.crowd_id == 5
    # without this rule, annotated crowds are crowds, as in STEP
    assert count_associations(first, IS_THING, False).num_tubes == 2
    crowd = segment(5, 0), segment(6, 2, iscrowd=1)
    second = count([5, 5, 6, 6], [5, 6, 6, 6], crowd, things)
    stats = count_associations(second, IS_THING, False)
    assert stats.num_tubes == 1 and stats.association == 2 * 0.5 * 0.5
    assert stats.crowd_id is None
    counter = VideoCounter('v', LABELS)
    for category in (0, 2):
        pairs = count_pairs(np.array([[3, 5]]), np.array([[0, 5]]), '')
        counter.add(
            '', pairs, [segment(3, 1), segment(5, category)], [segment(5, 0)]
        )
    stats = count_associations(counter.result(), IS_THING)
    assert stats.num_tubes == 2 and stats.association == 2 * 0.5
    # void that is predicted for a label is a class of IoU 0
    summary = summarize_stq([stats])
    assert summary['IoU'] == pytest.approx((0 + 0.5 + 0 + 0) / 4)
    assert summary['per_class'] == [0.5, 0, 0, None]
