# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Faster forms of PyTorch's modules against the modules."""

from copy import deepcopy

from projects.maxtron.models.layers.faster_modules import (
    ChannelsLastMaxPool2d,
    WeightlessAttention,
    use_faster_modules,
)

import pytest
import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import nn


def faster_copy(module, faster_class):
    """A copy with the same weights, one part of which has another class."""
    faster = deepcopy(module)
    use_faster_modules(faster)
    assert faster_class in map(type, faster.modules())
    return faster


@pytest.mark.parametrize('training', [True, False])
def test_attention(training):
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2, batch_first=True).train(training)
    faster = faster_copy(attention, WeightlessAttention)
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
    actual = faster_copy(pool, ChannelsLastMaxPool2d)(x)
    assert torch.equal(actual, pool(x))
    assert actual.is_contiguous(memory_format=order)


def test_other_modules_are_kept():
    """The layers of PyTorch ask for weights or not, and so may a user."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.TransformerEncoderLayer(8, 2, batch_first=True, dropout=0.0),
        nn.MaxPool1d(2, return_indices=True),
    )
    classes = list(map(type, model.modules()))
    use_faster_modules(model)
    assert list(map(type, model.modules())) == classes
    pool = nn.MaxPool2d(2, return_indices=True)
    x = torch.rand(1, 2, 4, 4)
    expected = pool(x)
    use_faster_modules(pool)
    for actual, value in zip(pool(x), expected):
        assert torch.equal(actual, value)
