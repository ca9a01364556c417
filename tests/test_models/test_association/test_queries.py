# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.association import (
    align_queries,
    iter_clips,
    match_queries,
    split_video,
)

import pytest
import torch

from tests.parity import load_case


def test_split_video_equals_reference():
    rows = load_case('f_video_split').info['rows']
    assert len(rows) == 155
    for row in rows:
        ends = split_video(row['total'], row['tube_size'], row['overlap'])
        assert ends == row['ends'], row


@pytest.mark.parametrize(
    'args, message',
    [((0, 4), 'at least one frame'), ((9, 2, 2), 'must exceed overlap=2')],
)
def test_split_video_rejects(args, message):
    with pytest.raises(ValueError, match=message):
        split_video(*args)


@pytest.mark.parametrize('overlap', [0, 1])
def test_iter_clips_covers_the_stream(overlap):
    for actual in (1, 3, 11):
        for expected in (None, 11):  # the container may be wrong
            seen, last = [], []
            for clip, new in iter_clips(
                iter(range(actual)), 4, expected, overlap
            ):
                shared = clip[: len(clip) - new]
                assert shared == (last[-overlap:] if overlap else [])
                assert new > 0 and len(clip) <= 4
                seen, last = seen + clip[-new:], clip
            assert seen == list(range(actual))
    lengths = [len(clip) for clip, _ in iter_clips(range(11), 4, 11)]
    assert lengths == [4, 4, 3]
    # Without a known length the last clip has the remaining frames.
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


def test_clips_of_one_length():
    for num_frames in (1, 4, 11):
        clips = list(iter_clips(range(num_frames), 4, pad_last_clip=True))
        frames = [frame for clip, new in clips for frame in clip[:new]]
        assert frames == list(range(num_frames))
        assert all(len(clip) == 4 for clip, _ in clips)
        clip, new = clips[-1]
        assert clip[new:] == [num_frames - 1] * (-num_frames % 4)


def golden_videos():
    """(queries, embeddings, permutations) of every golden alignment."""
    case = load_case('g_alignment')
    for j in range(len(case.info['sets'])):
        queries = case.outputs[f'queries_{j}']
        yield queries, queries, case.outputs[f'indices_{j}']
    case = load_case('query_matching', 'vps')
    embeds = case.outputs['embeddings']
    # association does not compare the queries
    yield embeds.sin(), embeds, case.outputs['matching']


def test_align_queries_equals_reference():
    for queries, embeds, indices in golden_videos():
        queries.requires_grad_()
        expected = torch.stack(
            [queries[0], *(x[i.long()] for x, i in zip(queries[1:], indices))]
        )
        aligned = align_queries(queries[:, None], embeds[:, None])
        assert aligned.equal(expected[None])
        # Gradients find their way back to the query that they belong to.
        weights = torch.randn_like(expected)
        gradients = [
            torch.autograd.grad((x * weights).sum(), queries)[0]
            for x in (aligned[0], expected)
        ]
        assert gradients[0].equal(gradients[1])


def test_videos_of_a_batch_are_aligned_by_themselves():
    torch.manual_seed(0)
    queries, embeds = torch.randn(2, 5, 3, 12, 8)  # (K, B, Q, D)
    both = align_queries(queries, embeds)
    assert both.shape == (3, 5, 12, 8)
    for b, aligned in enumerate(both):
        alone = align_queries(queries[:, b : b + 1], embeds[:, b : b + 1])
        assert alone[0].equal(aligned)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_queries_that_are_not_finite(bad):
    for which in range(2):
        tensors = torch.randn(2, 4, 1, 6, 8)
        tensors[which, 2, 0, 3, 1] = bad
        with pytest.raises(ValueError, match='of clip 2 .* are not finite'):
            align_queries(*tensors)


def test_video_without_frames():
    with pytest.raises(ValueError, match='no frames'):
        list(iter_clips(iter([]), 4))
