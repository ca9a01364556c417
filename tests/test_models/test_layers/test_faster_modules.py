# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Faster forms of PyTorch's modules against the modules."""

from copy import deepcopy

from projects.maxtron.models.layers.faster_modules import (
    FASTER_MODULES,
    use_faster_modules,
)

import pytest
import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import nn


def faster_copy(module):
    """A copy with the same weights, in which each class is replaced."""
    faster = deepcopy(module)
    use_faster_modules(faster)
    replaced = set(map(type, faster.modules())) & set(FASTER_MODULES.values())
    assert len(replaced) == 1
    return faster


@pytest.mark.parametrize('training', [True, False])
def test_attention(training):
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2, batch_first=True).train(training)
    faster = faster_copy(attention)
    assert faster.state_dict().keys() == attention.state_dict().keys()
    query, key = torch.randn(3, 5, 8), torch.randn(3, 11, 8)
    mask = torch.rand(3 * 2, 5, 11) < 0.5
    mask[..., 0] = False  # no query without a key
    expected = attention(query, key, key, attn_mask=mask)
    actual = faster(query, key, key, attn_mask=mask)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'order', [torch.contiguous_format, torch.channels_last]
)
def test_max_pool(order):
    torch.manual_seed(0)
    pool = nn.MaxPool2d(3, 2, 1)
    x = torch.randn(2, 4, 9, 12).to(memory_format=order)
    expected, actual = pool(x), faster_copy(pool)(x)
    assert torch.equal(actual, expected)
    assert actual.is_contiguous(memory_format=order)
