# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from itertools import combinations, permutations

from projects.maxtron.models.association import (
    ClipCues,
    QueryAssociation,
    SegmentLinker,
)
from projects.maxtron.models.association.segment_linker import match_up_to

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment


def extended(cost, limit):
    """The matrix that lap.lapjv solves with extend_cost and a cost limit."""
    rows, columns = cost.shape
    matrix = np.full((rows + columns,) * 2, limit / 2)
    matrix[rows:, columns:] = 0
    matrix[:rows, :columns] = cost
    return matrix


def brute_force(matrix):
    """Cost and columns of the best of all permutations."""
    rows = np.arange(len(matrix))
    return min(
        (matrix[rows, list(columns)].sum(), columns)
        for columns in permutations(rows)
    )


@pytest.mark.parametrize('limit', [0.5, 0.25, 1.0])
def test_matching_equals_the_extended_matrix(limit):
    rng = np.random.default_rng(0)
    for rows, columns in [(3, 3), (1, 5), (4, 2), (2, 4), (0, 3), (2, 0)] * 4:
        cost = rng.random((rows, columns))
        best, target = brute_force(extended(cost, limit))
        expected = [
            (row, column)
            for row, column in enumerate(target[:rows])
            if column < columns
        ]
        pairs = list(zip(*match_up_to(cost, limit)))
        assert pairs == expected
        left_alone = rows + columns - 2 * len(pairs)
        total = sum(cost[pair] for pair in pairs) + left_alone * limit / 2
        assert total == pytest.approx(best)


def naive_linking(clips, limit):
    """Link like the reference's evaluator: a dict of lists, label by label."""
    memory, results = {}, []
    for labels, embeds in clips:
        embeds = F.normalize(embeds.double(), dim=-1).numpy()
        indices = [None] * len(labels)
        for label in set(labels):
            own = [i for i, other in enumerate(labels) if other == label]
            known = memory.setdefault(label, [])
            matched = {}
            if known:
                cost = (1 - embeds[own] @ np.array(known).T) / 2
                for row, column in zip(
                    *linear_sum_assignment(extended(cost, limit))
                ):
                    if row < len(own) and column < len(known):
                        matched[row] = column
            for row, i in enumerate(own):
                if row in matched:
                    indices[i] = int(matched[row])
                    known[indices[i]] = embeds[i]
                else:
                    indices[i] = len(known)
                    known.append(embeds[i])
        results.append(indices)
    return results


@pytest.mark.parametrize('noise', [0.2, 0.8, 2.0])
def test_links_equal_the_plain_algorithm(noise):
    generator = torch.manual_seed(0)
    rng = np.random.default_rng(0)
    objects = torch.randn(30, 8, generator=generator)  # three classes
    clips = []
    for _ in range(12):  # objects come, go and return in any order
        present = rng.permutation(30)[: rng.integers(0, 25)]
        embeds = objects[present] + noise * torch.randn(
            len(present), 8, generator=generator
        )
        clips.append(((present % 3).tolist(), embeds))
    linker = SegmentLinker()
    indices = [linker.update(*clip) for clip in clips]
    assert indices == naive_linking(clips, 0.5)
    assert max(max(clip, default=0) for clip in indices) > 5
    for clip, (labels, _) in zip(indices, clips):  # ids are unique in a clip
        assert len(set(zip(labels, clip))) == len(clip)


def test_duplicates_classes_and_memory():
    x, y = torch.eye(2)
    linker = SegmentLinker()
    assert linker.update([5, 5, 2], torch.stack([x, x, x])) == [0, 1, 0]
    assert linker.update([], torch.zeros(0, 2)) == []
    # Class 2 has nothing similar to y. The duplicates remain two at any scale.
    assert linker.update([2, 5, 5], torch.stack([y, 9 * x, x])) == [1, 0, 1]
    # the embedding of an index turns with its object
    linker = SegmentLinker()
    for degrees in torch.tensor([0.0, 60, 120]):
        angle = degrees.deg2rad()
        turned = torch.stack([angle.cos(), angle.sin()])[None]
        assert linker.update([0], turned) == [0]


def test_all_pairs_of_a_clip_are_different_instances():
    # Two segments of a clip never share an index, even if they are equal.
    linker = SegmentLinker()
    same = torch.ones(120, 4)
    for _ in range(2):
        indices = linker.update([7] * 120, same)
        assert all(a != b for a, b in combinations(indices, 2))
    assert sorted(indices) == list(range(120))


def test_bad_input():
    with pytest.raises(ValueError, match='2 labels do not fit 1 embeddings'):
        SegmentLinker().update([1, 1], torch.zeros(1, 4))


def test_masks_and_memory_of_segments():
    x, y = torch.eye(2)

    def cues(embeds, *owners):
        owners = torch.tensor([[owners]])
        return ClipCues(
            torch.stack(embeds), first_owners=owners, last_owners=owners
        )

    association = QueryAssociation(overlap_weight=1.0)
    # Twins are told apart by their masks, not by small differences.
    for linker, expected in (
        (SegmentLinker(), [1, 0]),
        (SegmentLinker(0.5, association), [0, 1]),
    ):
        assert linker.update([3, 3], cues([x, x + y / 9], 0, 1))
        twins = cues([x + y / 9, x], 0, 1)
        assert linker.update([3, 3], twins) == expected
    # After an absence masks do not count, and the embedding links.
    linker = SegmentLinker(0.5, association)
    linker.update([3, 3], cues([x, y], 0, 1))
    linker.update([], cues([x, y], 0, 1).select([]))
    assert linker.update([3, 3], cues([y, x], 0, 1)) == [1, 0]
    # A track is forgotten after max_clips; its index is not used again.
    memory = dict(max_clips=1, decay=1.0)
    linker = SegmentLinker(0.5, QueryAssociation(memory=memory))
    absent = [linker.update([3], x[None])]
    absent += [linker.update([], x[None][:0]) for _ in range(2)]
    assert linker.update([3], x[None]) == [1]
