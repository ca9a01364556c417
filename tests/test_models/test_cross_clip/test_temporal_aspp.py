# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.cross_clip import TemporalASPP

import pytest
import torch
import torch.nn.functional as F
from torch import nn

C = 6


def literal(aspp, x, rates):
    """Loop over clips and taps, with replicated ends."""
    num_clips = x.shape[-1]
    maps = []
    for conv, rate in zip(aspp.convs, rates):
        size = conv.kernel_size[0]
        left = rate * (size - 1) // 2
        out = torch.zeros_like(x)
        for k in range(num_clips):
            out[..., k] = conv.bias
            for tap in range(size):
                at = min(max(k + rate * tap - left, 0), num_clips - 1)
                out[..., k] += x[..., at] @ conv.weight[..., tap].T
        maps.append(out)
    out = torch.einsum(
        'nck,oc->nok', torch.cat(maps, 1), aspp.proj.weight[..., 0]
    )
    if not isinstance(aspp.norm, nn.Identity):
        mean, var = (
            out.mean(1, keepdim=True),
            out.var(1, keepdim=True, unbiased=False),
        )
        out = (out - mean) / (var + 1e-6).sqrt()
        out = out * aspp.norm.weight[:, None] + aspp.norm.bias[:, None]
    return 0.5 * out * (1 + torch.erf(out / 2**0.5))


@pytest.mark.parametrize('norm', ['LN', None])
@pytest.mark.parametrize('num_clips', [1, 2, 3, 12])
@pytest.mark.parametrize(
    'rates, kernel_sizes',
    [
        ((1, 2, 3), (3, 3, 3)),
        ((1, 3, 5), (3, 3, 3)),
        ((2, 4), (5, 1)),
        ((5,), (4,)),
    ],
)
def test_equals_the_definition(rates, kernel_sizes, num_clips, norm):
    torch.manual_seed(0)
    aspp = TemporalASPP(C, rates, kernel_sizes, norm).double()
    if norm:
        nn.init.normal_(aspp.norm.weight)
        nn.init.normal_(aspp.norm.bias)
    x = torch.randn(4, C, num_clips, dtype=torch.double)
    torch.testing.assert_close(aspp(x), literal(aspp, x, rates))


def test_one_clip_sees_only_itself():
    """The result is that of an endless repetition of the clip."""
    aspp = TemporalASPP(C, (1, 2, 3))
    x = torch.randn(4, C, 1)
    torch.testing.assert_close(aspp(x), aspp(x.expand(-1, -1, 9))[..., 4:5])


def test_initial_weights():
    torch.manual_seed(0)
    aspp = TemporalASPP(32)
    std = (2 / 96) ** 0.5
    weight = aspp.proj.weight
    assert aspp.proj.bias is None
    assert 1.9 * std < weight.abs().max() <= 2 * std  # cut at two
    assert weight.std().item() == pytest.approx(0.88 * std, rel=0.03)
    bound = (32 * 3) ** -0.5  # PyTorch's default
    for conv in aspp.convs:
        assert 0.95 * bound < conv.weight.abs().max() <= bound
        assert conv.bias.abs().max() > 0
    assert aspp.norm.eps == 1e-6


def test_dropout_is_for_training():
    aspp, x = TemporalASPP(C, drop=0.5), torch.randn(50, C, 4)
    dropped = (aspp(x) == 0).float().mean().item()
    assert dropped == pytest.approx(0.5, abs=0.1)
    aspp.eval()
    assert (aspp(x) != 0).all()
    assert F.mse_loss(aspp(x), aspp(x)) == 0


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(rates=(1, 2)), 'one entry for each convolution'),
        (dict(rates=(), kernel_sizes=()), 'at least one'),
        (dict(rates=(0, 1, 2)), 'all be at least 1'),
        (dict(kernel_sizes=(3, 3, -1)), 'all be at least 1'),
        (dict(norm='BN'), "norm='BN'.*'LN' or None"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TemporalASPP(C, **kwargs)
