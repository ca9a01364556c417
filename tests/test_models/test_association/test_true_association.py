# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.structures import ClipShapes
from projects.maxtron.testing import TrueAssociation

import numpy as np

from tests.test_models.test_association.test_queries import make_clip

SHAPES = ClipShapes((12, 48), (12, 48), (6, 24), 2)
BASE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def truth(columns):
    """Id maps of two frames, at half of the input's size."""
    ids = np.zeros((6, 24), int)
    for i, left in columns.items():
        ids[:, 2 * left : 2 * left + 6] = i
    return [ids, ids]


def test_queries_follow_the_true_segments():
    association = TrueAssociation('sigmoid')
    orders = []
    for columns, clip in (
        ({7: 0, 8: 6}, make_clip([0, 6, 0], [1, 1, -1], BASE)),
        # The embeddings stay with the slots, but the objects change them.
        ({7: 1, 8: 7}, make_clip([7, 1, 0], [1, 1, -1], BASE)),
        # One is hidden, and returns in another slot.
        ({8: 7}, make_clip([0, 7, 0], [-1, 1, -1], BASE)),
        ({7: 1, 8: 7}, make_clip([0, 7, 1], [-1, 1, 1], BASE)),
    ):
        association.set_truth(truth(columns), {7: 1, 8: 1}, SHAPES)
        order = association.match(association.read(clip).clip(0)).tolist()
        places = {
            i: [order.index(q) for q in range(3) if clip_shows(clip, q, left)]
            for i, left in columns.items()
        }
        orders.append(places)
    first = orders[0]
    for places in orders[1:]:
        assert all(places[i] == first[i] for i in places)
    assert first[7] != first[8]


def clip_shows(clip, query, column):
    """Whether a query shows an object that begins in a column."""
    mask = clip.mask_logits[0, query, 0, 0] > 0
    return bool(mask.any()) and int(mask.int().argmax()) == column
