# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.association import (
    QueryAssociation,
    align_queries,
    match_queries,
)
from projects.maxtron.models.heads.video_state import OfflineState
from projects.maxtron.structures import ClipPrediction, ClipShapes

import pytest
import torch

from tests.parity import load_case


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


def make_clip(
    columns, labels, embeds, num_frames=2, step=0, width=12, colors=()
):
    """Clip whose query q is a square in the columns from ``columns[q]``.

    The squares move by ``step`` columns per frame. A label of -1 is "no
    object". ``colors`` are those of the queries that have one.
    """
    frames = torch.zeros(1, num_frames, 3, 6, 2 * width)
    masks = torch.full((1, len(columns), num_frames, 3, width), -5.0)
    cls = torch.zeros(1, len(columns), 4)
    for q, (start, label) in enumerate(zip(columns, labels)):
        cls[0, q, label] = 9.0
        for t in range(num_frames):
            left = start + step * t
            if label >= 0 and left < width:
                masks[0, q, t, :, left : left + 3] = 5.0
                for color in colors[q : q + 1]:
                    frames[0, t, :, :, 2 * left : 2 * left + 6] = torch.tensor(
                        color
                    )[:, None, None]
    embeds = torch.tensor(embeds)[None]
    return ClipPrediction(cls, masks, embeds, embeds, frames=frames)


def link(association, *clips, num_shared=0):
    """Order of the queries of each clip after the first."""
    association, orders = association.start_video(), []
    for k, clip in enumerate(clips):
        cues = association.read(clip, num_shared if k else 0)
        orders.append(association.match(cues.clip(0)).tolist())
    return orders[1:]


TWINS = [[1.0, 0.0], [0.9, 0.1]]


@pytest.mark.parametrize('activation', ['sigmoid', 'softmax'])
def test_masks_tell_twins_apart(activation):
    clips = [
        make_clip([0, 6], [1, 1], TWINS),
        # Nearer to the other twin by its embedding.
        make_clip([1, 7], [1, 1], TWINS[::-1]),
    ]
    cfg = dict(mask_activation=activation)
    assert link(QueryAssociation(**cfg), *clips) == [[1, 0]]
    robust = QueryAssociation(overlap_weight=1.0, **cfg)
    assert link(robust, *clips) == [[0, 1]]


def test_classes_separate_objects_that_look_alike():
    clips = [
        make_clip([0, 0], [1, 2], TWINS),
        make_clip([0, 0], [1, 2], TWINS[::-1]),
    ]
    assert link(QueryAssociation(), *clips) == [[1, 0]]
    assert link(QueryAssociation(class_weight=1.0), *clips) == [[0, 1]]
    assert link(QueryAssociation(0.0, 1.0), *clips) == [[0, 1]]


def test_masks_of_shared_frames_are_compared():
    # The left square moves by 3 columns per frame; the other one rests where
    # it is one frame later.
    first = make_clip([0, 6], [1, 1], TWINS, num_frames=2, step=3)
    same_end = make_clip([3, 9], [1, 1], TWINS[::-1], num_frames=2)
    later = make_clip([9, 3], [1, 1], TWINS, num_frames=2)
    shared = QueryAssociation(overlap_weight=1.0, overlap=1)
    assert link(shared, first, same_end, num_shared=1) == [[0, 1]]
    assert link(shared, first, later, num_shared=1) == [[1, 0]]
    # The last clip of a video may share more frames, here both.
    last = make_clip([6, 0], [1, 1], TWINS, num_frames=2, step=3)
    assert link(shared, first, last, num_shared=2) == [[1, 0]]
    # The first clip of a video may have fewer frames than are shared.
    more = QueryAssociation(overlap_weight=1.0, overlap=2)
    short, next_one = (
        make_clip([0, 6], [1, 1], embeds, num_frames=1)
        for embeds in (TWINS, TWINS[::-1])
    )
    assert link(more, short, next_one, num_shared=1) == [[0, 1]]


def test_motion_moves_masks_to_the_next_frame():
    # Two twins pass each other, from 0 to 3 and from 9 to 6: each then stands
    # where the other one was.
    first = make_clip([0, 6], [1, 1], TWINS, step=3)
    first.mask_logits[0, 1] = first.mask_logits[0, 1].flip(0)
    second = make_clip([6, 3], [1, 1], TWINS)
    rest, moving = (
        QueryAssociation(0.0, overlap_weight=1.0, motion=motion)
        for motion in (False, True)
    )
    assert link(rest, first, second) == [[1, 0]]
    assert link(moving, first, second) == [[0, 1]]


def test_an_object_that_returns_continues_its_track():
    red, blue, none = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    both = make_clip([0, 6, 0], [1, 1, -1], [red, blue, none])
    alone = make_clip([0, 6, 0], [1, -1, -1], [red, none, none])
    # Without memory, the queries that are empty meanwhile look alike.
    returned = make_clip([0, 0, 6], [1, -1, 1], [red, none, blue])
    memory = dict(max_clips=2, decay=0.9, min_similarity=0.3)
    remembers = dict(class_weight=1.0, memory=memory)
    clips = [both, alone, alone, returned]
    assert link(QueryAssociation(**remembers), *clips)[-1] == [0, 2, 1]
    assert link(QueryAssociation(class_weight=1.0), *clips)[-1] == [0, 1, 2]
    # The track is forgotten after two clips, and free for a new object.
    clips = [both, alone, alone, alone, returned]
    assert link(QueryAssociation(**remembers), *clips)[-1] == [0, 1, 2]
    # A new object does not continue a track that it does not resemble.
    new = make_clip([0, 0, 6], [1, -1, 2], [red, none, none])
    assert link(QueryAssociation(**remembers), both, alone, new)[-1] == [
        0,
        1,
        2,
    ]


def test_colors_tell_twins_that_return_apart():
    # The embeddings say where an object is.
    places = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    red, orange = [90.0, 30.0, 20.0], [90.0, 40.0, 20.0]
    darker = [[0.6 * x for x in color] for color in (orange, red)]
    clips = [
        make_clip([0, 6, 0], [1, 1, -1], places, colors=[red, orange]),
        make_clip([0, 0, 0], [-1, -1, -1], places),
        make_clip([0, 6, 0], [1, 1, -1], places, colors=darker),
    ]
    settings = dict(class_weight=1.0, memory=dict(momentum=0.5))
    blind = QueryAssociation(**settings)
    assert link(blind, *clips)[-1] == [0, 1, 2]
    sees = QueryAssociation(color_weight=4.0, **settings)
    assert link(sees, *clips)[-1] == [1, 0, 2]


def test_a_mask_of_few_pixels_shows_no_object():
    base = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    whole = make_clip([0, 0, 0], [1, -1, -1], base)
    part = make_clip([0, 11, 0], [-1, 1, -1], base)  # a twelfth of the frame
    for min_area, order in ((0.08, [1, 0, 2]), (0.09, [0, 1, 2])):
        association = QueryAssociation(
            class_weight=1.0,
            overlap_weight=1.0,
            memory=dict(min_area=min_area),
        )
        assert link(association, whole, part) == [order]


def test_cues_align_the_clips_of_a_video_for_the_tracker():
    clips = [
        make_clip([0, 6], [1, 1], TWINS),
        make_clip([1, 7], [1, 1], TWINS[::-1]),
    ]
    association = QueryAssociation(overlap_weight=1.0)
    queries = [torch.arange(2.0)[None, :, None].requires_grad_()] * 2
    for settings, order in ((None, [1, 0]), (association, [0, 1])):
        cues = [association.read(clip) for clip in clips]
        aligned = align_queries(queries, cues, settings)
        assert aligned[0, 1, :, 0].tolist() == order
        assert aligned.requires_grad
    # Offline, the tracker gets the queries in the same order.
    received = []

    class State(OfflineState):
        def segment(self, mask_feats, shapes):
            return []

    def refine(queries):
        received.append(queries)
        return queries[0], queries

    state = State(refine, 'none', association)
    for clip in clips:
        state.update(clip, ClipShapes((3, 12), (3, 12), (3, 12), 2))
    state.refine()
    assert received[0].equal(torch.cat([clip.queries for clip in clips]))
    # The settings have no state: the next batch begins anew.
    assert link(association, clips[1], clips[0]) == [[0, 1]]


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(embed_weight=0.0), 'all 0; one must be above 0'),
        (dict(class_weight=-1.0), 'class_weight is -1.0, but must be at lea'),
        (dict(overlap_weight='abc'), "overlap_weight is 'abc', but must be"),
        (dict(motion='no'), "motion is 'no', but must be True or False"),
        (dict(max_pixels=0), 'max_pixels is 0, but must be at least 1'),
        # --cfg-options model.head.association.memory={} gives this text.
        (dict(memory='{}'), "memory is '{}', but must be a dict or None"),
        (dict(memory=dict(max_clip=3)), "'max_clip'; it takes max_clips, de"),
        (dict(memory=dict(max_clips=0)), 'memory.max_clips is 0, but must be'),
        (dict(memory=dict(momentum=1.0)), 'memory.momentum is 1.0, but must'),
        (dict(memory=dict(decay=float('nan'))), 'memory.decay is nan, but mu'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        QueryAssociation(**settings)
