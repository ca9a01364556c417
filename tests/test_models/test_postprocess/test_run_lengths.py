# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.postprocess.run_lengths import (
    encode_edges,
    find_edges,
)
from projects.maxtron.structures import copy_to_cpu

import numpy as np
import pytest
import torch
from pycocotools import mask as mask_utils


def edge_cases(height, width):
    """Masks that are empty, full, of one pixel, of a column or a row."""
    masks = np.zeros((9, height, width), bool)
    masks[1] = True
    masks[2, 0, 0] = masks[3, -1, -1] = masks[4, height // 2, width // 2] = (
        True
    )
    masks[5, :, 0] = masks[6, -1] = True
    masks[7, ::2] = True
    masks[8] = ~masks[3]
    return masks


def random_masks(size, seed):
    """Masks of many and of few pixels."""
    rng = np.random.default_rng(seed)
    shares = rng.choice([1e-5, 0.01, 0.5, 0.99, 1 - 1e-5], (5, 1, 1))
    return rng.random((5, *size)) < shares


@pytest.mark.parametrize(
    'size', [(1, 1), (1, 40), (40, 1), (7, 5), (33, 70), (400, 300)]
)
def test_strings_equal_pycocotools(size):
    for masks in (edge_cases(*size), *(random_masks(size, s) for s in (0, 1))):
        edges = find_edges(torch.from_numpy(masks))
        expected = mask_utils.encode(
            np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)
        )
        assert encode_edges(edges.numpy(), len(masks), size) == expected
        # chunks of masks may come in any order
        mixed = np.random.default_rng(0).permutation(edges.numpy())
        assert encode_edges(mixed, len(masks), size) == expected


def test_one_transfer_of_many_types():
    tensors = [
        torch.tensor(True),
        torch.arange(6, dtype=torch.int16).view(2, 3).T,
        torch.zeros(0, 4, dtype=torch.float64),
        torch.tensor([0.5, 2], dtype=torch.bfloat16),
        torch.tensor([-1, 2**40]),
        torch.tensor([3], dtype=torch.uint8),
    ]
    copies = copy_to_cpu(*tensors)
    assert [x.dtype for x in copies] == [x.dtype for x in tensors]
    assert all(x.equal(y) for x, y in zip(copies, tensors))
    assert copy_to_cpu() == []
