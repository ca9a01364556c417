# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.association.colors import (
    color_similarity,
    mean_colors,
    read_colors,
)
from projects.maxtron.models.association.masks import (
    find_owners,
    measure_masks,
    measure_motion,
    owner_ious,
    sample_grid,
)
from projects.maxtron.structures import ClipPrediction

import pytest
import torch
from pycocotools import mask as coco


def random_owners(number, *shape, seed=0):
    """Random owners from -1 to ``number - 1``."""
    generator = torch.manual_seed(seed)
    return torch.randint(-1, number, shape, generator=generator)


def encode(owners, number):
    """COCO run-length encodings of the masks in one frame."""
    masks = owners == torch.arange(number)[:, None, None]
    return coco.encode(masks.permute(1, 2, 0).byte().numpy().copy(order='F'))


def test_ious_equal_cocos():
    last, first = random_owners(4, 1, 9, 7), random_owners(3, 1, 9, 7, seed=1)
    rles = encode(last, 5), encode(first, 4)  # the last of each is empty
    expected = torch.from_numpy(coco.iou(*rles, [False] * 4)).nan_to_num()
    found = owner_ious(last, first, 5, 4)
    torch.testing.assert_close(found.double(), expected)


@pytest.mark.parametrize('activation', ['sigmoid', 'softmax'])
def test_owners_of_sampled_pixels(activation):
    logits = torch.randn(1, 3, 2, 8, 12, generator=torch.manual_seed(0))
    every, frames = torch.tensor([[2, 0, 1]]), (0, 1)

    def find(max_pixels, queries=every, frames=frames, excluded=0):
        grid = sample_grid((8, 12), max_pixels)
        may_own = torch.ones_like(queries, dtype=torch.bool)
        may_own[:, len(may_own[0]) - excluded :] = False
        return find_owners(logits, queries, may_own, activation, grid, frames)

    full = find(96)
    expected = logits.argmax(1)
    if activation == 'sigmoid':  # the best query that covers the pixel
        covered = logits[0, [2, 0, 1]] >= 0
        expected = every[0][covered.int().argmax(0)]
        expected = expected.where(covered.any(0), -1)[None]
        assert (expected == -1).any()
    assert full.equal(expected)
    assert find(96, frames=(1, 0)).equal(full.flip(1))
    assert find(48).equal(full[..., ::2, :])
    # Other queries own no pixels.
    some = find(96, every[:, :2])
    assert not (some == 1).any()
    assert find(96, excluded=1).equal(some)
    assert (find(96, excluded=3) == -1).all()
    # A bound between two strides leads to the larger one.
    few = find(12)
    assert few.equal(full[..., 1::4, ::2])
    assert find(13).equal(few)


def test_owners_in_a_batch_of_any_layout():
    generator = torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 8, 12, generator=generator)
    queries = torch.tensor([[2, 0], [1, 2]])
    args = queries >= 0, 'softmax', sample_grid((8, 12), 24), (1, 3)
    owners = find_owners(logits, queries, *args)
    columns_first = logits.mT.contiguous().mT
    assert find_owners(columns_first, queries, *args).equal(owners)
    sampled = logits[:, :, 1::2, 1::3, ::2]
    for clip, chosen, found in zip(sampled, queries, owners):
        assert found.equal(chosen[clip[chosen].argmax(0)])


def test_motion_and_shift():
    owners = torch.full((1, 2, 6, 8), -1)
    owners[0, 0, 1:3, 1:4] = owners[0, 1, 2:4, 4:7] = 0  # down, right
    owners[0, 0, 4:6, 6:8] = owners[0, 1, 0:2, 5:7] = 1  # up, left
    owners[0, 0, 3, 2] = 2  # disappears
    areas, centres = measure_masks(owners, 4)
    assert areas[0].tolist() == [[6, 4, 1, 0], [6, 4, 0, 0]]
    assert centres[0, 0, 0].tolist() == [1.5, 2.0]
    (motion,) = measure_motion(areas, centres)
    assert motion.tolist() == [[1, 3], [-4, -1], [0, 0], [0, 0]]
    assert not measure_motion(areas[:, :1], centres[:, :1]).any()
    before, after = owners[0, :1], owners[0, 1:]
    ious = owner_ious(before, after, 4, 4, motion)
    assert ious.tolist() == torch.eye(4)[:2].tolist() + [[0.0] * 4] * 2
    # What leaves the frame is lost, here one of three columns.
    motion[0] = torch.tensor([0, 2])
    stay = after.clone()
    stay[stay == 0] = -1
    stay[0, 2:4, 6:8] = 0
    assert owner_ious(after, stay, 4, 4, motion)[0, 0] == 1.0


def test_colors_do_not_depend_on_brightness():
    owners = torch.tensor([[[[0, 1, -1], [0, 1, 2]]]])  # (1, 1, 2, 3)
    red, blue = torch.tensor([[90.0, 30, 0], [0, 30, 90]])
    pixels = torch.stack([red, blue, red, red / 2, blue, red])
    frames = pixels.T.view(1, 1, 3, 2, 3).repeat_interleave(2, -1)
    scale = torch.full((3, 1, 1), 50.0), torch.full((3, 1, 1), 20.0)
    clips = ClipPrediction(
        None, owners.float()[:, None], None, None, frames=(frames - 50) / 20
    )
    grid = sample_grid((2, 3), 6)
    colors = read_colors(clips, grid, (0,), scale)
    torch.testing.assert_close(colors[0], pixels)
    (means,) = mean_colors(owners, colors, 4)
    assert means.sum(1).tolist() == [1, 1, 1, 0]
    torch.testing.assert_close(means[0], red / red.sum())
    similarity = color_similarity(means, means[:3])
    torch.testing.assert_close(
        similarity[:3],
        torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]]),
        atol=1e-6,
        rtol=0.0,
    )
    clips.frames = None
    with pytest.raises(ValueError, match='the clips have no frames'):
        read_colors(clips, grid, (0,), None)
