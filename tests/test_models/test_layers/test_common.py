# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.layers import (
    LayerNorm2d,
    product,
    short_softmax,
    truncated_normal_init,
)

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn


def test_truncated_normal_ends_at_two_standard_deviations():
    torch.manual_seed(0)
    weight = torch.empty(10000)
    truncated_normal_init(weight, std=0.1)
    assert 0.19 < weight.max() <= 0.2
    assert -0.2 <= weight.min() < -0.19


@pytest.mark.parametrize('shape', [(7,), (5, 7), (2, 5, 7)])
def test_layer_norm_over_channels(shape):
    torch.manual_seed(0)
    norm = LayerNorm2d(16)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, 16, *shape) * 1e-3  # a variance of eps
    scale = (x.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    expected = (x - x.mean(1, keepdim=True)) / scale
    channels = (-1, *[1] * len(shape))
    expected = expected * norm.weight.view(channels) + norm.bias.view(channels)
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)
    half = (300 + 10 * torch.randn_like(x)).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        actual = norm(half)
    assert actual.dtype == torch.bfloat16
    assert torch.equal(actual, norm(half.float()).bfloat16())


def test_layer_norm_is_not_decayed():
    model = nn.Sequential(nn.Conv2d(2, 2, 1), LayerNorm2d(2))
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
            paramwise_cfg=dict(norm_decay_mult=0.0),
        ),
    )
    decays = {
        id(param): group['weight_decay']
        for group in wrapper.optimizer.param_groups
        for param in group['params']
    }
    assert decays[id(model[0].weight)] == 0.05
    assert decays[id(model[1].weight)] == decays[id(model[1].bias)] == 0


@pytest.mark.parametrize('shape', [(3, 4), (2, 3, 5, 4), (2, 0, 4)])
def test_short_softmax(shape):
    torch.manual_seed(0)
    logits = 9 * torch.randn(shape, requires_grad=True)
    expected = logits.softmax(-1)
    actual = short_softmax(logits)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)
    slopes = torch.randn(shape)
    gradients = (
        torch.autograd.grad((out * slopes).sum(), logits)[0]
        for out in (actual, expected)
    )
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('batch_size', [1, 2])
def test_product(batch_size):
    torch.manual_seed(0)
    embeds = torch.randn(batch_size, 3, 8)
    feats = torch.randn(batch_size, 8, 2, 4, 5)
    torch.testing.assert_close(
        product(embeds, feats), torch.einsum('bqe,bethw->bqthw', embeds, feats)
    )
