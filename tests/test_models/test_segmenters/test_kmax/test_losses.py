# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Losses beyond the golden cases and plain formulas of the criterion."""

from projects.maxtron.models.segmenters.kmax import PixelInstanceLoss, losses
from projects.maxtron.models.segmenters.kmax.losses import _SimilarityLogSumExp
from projects.maxtron.models.segmenters.kmax.resampling import take_pixels
from projects.maxtron.models.segmenters.kmax.tube_softmax import (
    tube_overlaps,
    tube_softmax,
)

import pytest
import torch
import torch.nn.functional as F


def randn(*shape):
    random = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=random, dtype=torch.float64)


@pytest.mark.parametrize('low', [(4, 5), (2, 3)])
@pytest.mark.parametrize('with_void', [False, True])
def test_tube_softmax_gradients(low, with_void):
    random = torch.Generator().manual_seed(1)
    query_map = torch.randint(4, (2, 2, 4, 5), generator=random)
    logits = randn(2, 3, 2, *low).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: tube_softmax(x, query_map, with_void), logits
    )


def test_tube_overlaps():
    random = torch.Generator().manual_seed(1)
    tube_map = torch.randint(4, (2, 3, 6, 7), generator=random)
    logits = randn(2, 5, 3, 3, 4)
    probs = F.interpolate(
        logits, (3, 6, 7), mode='trilinear', align_corners=True
    ).softmax(1)
    one_hot = F.one_hot(tube_map, 4).double()
    torch.testing.assert_close(
        tube_overlaps(logits, tube_map, 3),
        torch.einsum('bnthw,bthwm->bnm', probs, one_hot),
    )


@pytest.mark.parametrize('block', [3, 7])
@pytest.mark.parametrize('scale', [1.0, 30.0])
def test_similarity_gradients(scale, block, monkeypatch):
    monkeypatch.setattr(losses, '_BLOCK', block)
    feats = (F.normalize(randn(2, 3, 7), dim=1) * scale).requires_grad_()
    torch.testing.assert_close(
        _SimilarityLogSumExp.apply(feats), (feats.mT @ feats).logsumexp(1)
    )
    assert torch.autograd.gradcheck(_SimilarityLogSumExp.apply, feats)


def test_similarities_of_vectors_of_unequal_length():
    """exp(14 * 14 - 9 * 9) is not finite in float32."""
    feats = torch.tensor([[[9.0, 14.0]]])
    torch.testing.assert_close(
        _SimilarityLogSumExp.apply(feats), torch.tensor([[126.0, 196.0]])
    )


def test_pixel_loss_under_autocast():
    loss = PixelInstanceLoss(dict(type='GumbelPixelSampler'))
    queries = torch.arange(40).view(2, 20) % 4
    results = []
    for enabled in (False, True):
        feats = F.normalize(randn(2, 8, 20).float(), dim=1).requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            value = loss(feats, queries, 3)
        value.backward()
        results.append((value, feats.grad))
    # The mean of each tube has the 8 bits of a bfloat16.
    torch.testing.assert_close(*results, rtol=0.02, atol=1e-3)


def test_pixel_loss_rejects_temperature():
    with pytest.raises(ValueError, match='temperature=0'):
        PixelInstanceLoss(dict(type='GumbelPixelSampler'), temperature=0)


@pytest.mark.parametrize('size', [(3, 9, 13), (1, 6, 10), (2, 1, 1)])
def test_take_pixels_equals_resizing(size):
    x = randn(2, 4, size[0], 3, 5)
    pixels = torch.stack(
        [torch.randperm(torch.Size(size).numel())[:40] for _ in range(2)]
    )
    resized = F.interpolate(
        x, size, mode='trilinear', align_corners=size[2] % 2 == 1
    ).flatten(2)
    expected = resized.gather(2, pixels[:, None].expand(-1, 4, -1))
    torch.testing.assert_close(
        take_pixels(x, pixels, size), expected, rtol=1e-6, atol=1e-6
    )
