# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.association.masks import (
    mask_ious,
    sample_masks,
    shift_masks,
    velocities,
)

import pytest
import torch
from pycocotools import mask as coco


def random_masks(*shape, share=0.4, seed=0):
    generator = torch.manual_seed(seed)
    return torch.rand(shape, generator=generator) < share


def test_ious_equal_cocos():
    masks, others = random_masks(5, 1, 9, 7), random_masks(4, 1, 9, 7, seed=1)
    masks[2] = others[3] = False
    rles = [
        coco.encode(x[:, 0].permute(1, 2, 0).byte().numpy().copy(order='F'))
        for x in (masks, others)
    ]
    expected = torch.from_numpy(coco.iou(*rles, [False] * 4)).nan_to_num()
    torch.testing.assert_close(mask_ious(masks, others).double(), expected)


@pytest.mark.parametrize('activation', ['sigmoid', 'softmax'])
def test_sampled_masks(activation):
    logits = torch.randn(1, 3, 2, 8, 12, generator=torch.manual_seed(0))
    every = torch.arange(3)[None]
    full = sample_masks(logits, every, activation, 96)
    if activation == 'softmax':
        assert (full.sum(1) == 1).all()
        assert full.int().argmax(1).equal(logits.argmax(1))
    else:
        assert full.equal(logits.sigmoid() > 0.5)
    last = sample_masks(logits, every, activation, 96, torch.tensor([1, 0]))
    assert last.equal(full.flip(2))
    half = sample_masks(logits, every, activation, 48)
    assert half.equal(full[..., ::2, :])
    # Other queries have no masks, and take no pixels.
    some = sample_masks(logits, torch.tensor([[2, 0]]), activation, 96)
    assert not some[:, 1].any()
    if activation == 'softmax':
        assert (some.sum(1) == 1).all()
    # A bound between two strides leads to the larger one.
    few = sample_masks(logits, every, activation, 12)
    assert few.equal(full[..., 1::4, ::2])
    assert sample_masks(logits, every, activation, 13).equal(few)


def test_motion_and_shift():
    masks = torch.zeros(3, 2, 6, 8, dtype=torch.bool)
    masks[0, 0, 1:3, 1:4] = masks[0, 1, 2:4, 4:7] = True  # down, right
    masks[1, 0, 4:6, 6:8] = masks[1, 1, 1:3, 5:7] = True  # up, left
    masks[2, 0, 2, 2] = True  # disappears
    motion = velocities(masks)
    assert motion.tolist() == [[1, 3], [-3, -1], [0, 0]]
    assert velocities(masks[:, :1]).tolist() == [[0, 0]] * 3
    moved = shift_masks(masks[:, :1], motion)
    assert moved[0].equal(masks[0, 1:])
    assert moved[1].equal(masks[1, 1:])
    assert moved[2].equal(masks[2, :1])
    # What leaves the frame is lost.
    assert shift_masks(masks[:, 1:], motion)[0].sum() == 2
    assert not shift_masks(masks[:1], torch.tensor([[-9, 0]])).any()
