# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Candidate sets of a video: exact, and as large in each of its frames."""

import pickle

from projects.maxtron.models.postprocess import (
    PanopticMerger,
    SigmoidPanopticMerger,
)
from projects.maxtron.testing import find_ties
from projects.maxtron.testing.naive_merge import naive_merge

import numpy as np
import pytest
import torch

SIZE = (45, 80)
THRESHOLDS = (0.4, 0.2, 0.3, 0.6)
MERGERS = {'softmax': PanopticMerger, 'sigmoid': SigmoidPanopticMerger}


def moving_objects(num_frames, num_objects=5, copies=4, num_queries=40):
    """Logits of moving discs with near-duplicates, shape (N, T, H, W).

    The borders of an object's copies differ by some pixels and move. Further
    queries have no mask.
    """
    generator = torch.manual_seed(0)
    height, width = SIZE
    centers, speeds, waves = torch.rand(
        3, num_objects * copies, 2, generator=generator
    )
    y, x = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing='ij'
    )
    masks = torch.full((num_queries, num_frames, *SIZE), -9.0)
    for query in range(num_objects * copies):
        first = query // copies * copies
        for t in range(num_frames):
            cy, cx = (centers[first] + 0.03 * t * speeds[first]) % 1
            dy, dx = y - cy * height, x - cx * width
            angle = torch.atan2(dy, dx)
            border = 9 + 2 * torch.sin(3 * angle + first)
            phase = 6 * waves[query, 0] + 0.2 * t
            border += 2 * waves[query, 1] * torch.sin(7 * angle + phase)
            masks[query, t] = (border - torch.hypot(dy, dx)).clamp(-9, 9)
    return masks


def class_logits(num_queries, num_classes=4):
    return 3 * torch.randn(
        num_queries, num_classes + 1, generator=torch.manual_seed(1)
    )


def filled(masks, activation, classes=None):
    """A merger that has seen a video, with its classes before or not."""
    merger = MERGERS[activation]((0, 2), 4, *THRESHOLDS)
    if classes is not None:
        merger.set_classes(classes)
    merger.update(masks, SIZE, SIZE, SIZE)
    return merger


def memory(merger):
    """Bytes that the frames of a merger have when the next clip comes."""
    merger._fetch()
    return len(pickle.dumps([frame.compress() for frame in merger._frames]))


def decode(maps):
    return torch.from_numpy(np.stack([frame.decode() for frame in maps]))


@pytest.mark.parametrize('activation', list(MERGERS))
def test_classes_before_the_masks_change_nothing_but_the_memory(activation):
    masks, classes = moving_objects(3), class_logits(40)
    plain, early = (
        filled(masks, activation),
        filled(masks, activation, classes),
    )
    assert memory(early) < memory(plain)
    maps, segments = plain.merge(classes)
    again, same = early.merge(classes)
    assert [s[:3] for s in same] == [s[:3] for s in segments]
    scores = [s.score for s in segments]
    assert [s.score for s in same] == pytest.approx(scores, rel=1e-12)
    assert len(segments) > 2
    assert decode(again).equal(decode(maps))
    expected = naive_merge(masks, classes, (0, 2), *THRESHOLDS, activation)
    ties = find_ties(masks, THRESHOLDS[0], mask_activation=activation)
    assert ties.float().mean() < 1e-3
    assert not ((decode(maps) != expected) & ~ties).any()


@pytest.mark.parametrize('activation', list(MERGERS))
def test_no_query_with_a_class(activation):
    masks, classes = moving_objects(2), torch.zeros(40, 5)
    classes[:, -1] = 9
    maps, segments = filled(masks, activation, classes).merge(classes)
    assert segments == [] and (decode(maps) == 4).all()


def test_every_frame_adds_the_same_memory():
    """Near-duplicates form ever new sets, which must not pile up."""
    masks = moving_objects(24)
    sizes = [memory(filled(masks[:, :t], 'sigmoid')) for t in (0, 8, 16, 24)]
    growth = np.diff(sizes) / 8
    assert growth.max() < 1.1 * growth[0], growth
    competing = memory(filled(masks, 'softmax')) / 24
    assert growth.max() < 2 * competing, (growth, competing)
