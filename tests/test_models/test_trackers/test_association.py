# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.trackers import (
    iter_clips,
    match_queries,
    split_video,
)

import pytest

from tests.parity import load_case


def test_split_video_equals_reference():
    rows = load_case('f_video_split').info['rows']
    assert len(rows) == 155
    for row in rows:
        ends = split_video(row['total'], row['tube_size'], row['overlap'])
        assert ends == row['ends'], row


@pytest.mark.parametrize(
    'args, message',
    [((0, 4), 'at least one frame'), ((9, 2, 2), 'must exceed overlap=2')])
def test_split_video_rejects(args, message):
    with pytest.raises(ValueError, match=message):
        split_video(*args)


@pytest.mark.parametrize('overlap', [0, 1])
def test_iter_clips_covers_the_stream(overlap):
    for actual in (1, 3, 11):
        for expected in (None, 11):  # the container may be wrong
            seen, last = [], []
            for clip, new in iter_clips(
                    iter(range(actual)), 4, expected, overlap):
                shared = clip[:len(clip) - new]
                assert shared == (last[-overlap:] if overlap else [])
                assert new > 0 and len(clip) <= 4
                seen, last = seen + clip[-new:], clip
            assert seen == list(range(actual))
    lengths = [len(clip) for clip, _ in iter_clips(range(11), 4, 11)]
    assert lengths == [4, 4, 3]
    # Without a known length the last clip takes what is left.
    lengths = [len(clip) for clip, _ in iter_clips(range(9), 4)]
    assert lengths == [4, 4, 1]


def test_match_queries_equals_reference():
    case = load_case('g_alignment')
    for j, kind in enumerate(case.info['sets']):
        queries = case.outputs[f'queries_{j}']
        aligned = queries[0]
        for k in range(1, kind['clips']):
            index = match_queries(aligned, queries[k])
            assert index.equal(case.outputs[f'indices_{j}'][k - 1])
            aligned = queries[k][index]


def test_match_queries_equals_reference_for_panoptic_segments():
    case = load_case('query_matching', 'vps')
    aligned, *others = case.outputs['embeddings']
    for embeds, expected in zip(others, case.outputs['matching']):
        index = match_queries(aligned, embeds)
        assert index.equal(expected.long())
        aligned = embeds[index]


def test_video_without_frames():
    with pytest.raises(ValueError, match='no frames'):
        list(iter_clips(iter([]), 4))
