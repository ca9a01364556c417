# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import math

from projects.maxtron.models.segmenters.kmax import (
    KMaXDecoderLayer,
    KMaXPredictor,
    KMaXSelfAttention,
    kmeans_update,
)
from projects.maxtron.models.segmenters.kmax import (
    decoder_layer as kmax_decoder_layer,
)

import pytest
import torch
import torch.nn.functional as F


def build_layer(**kwargs):
    torch.manual_seed(0)
    return KMaXDecoderLayer(
        pixel_channels=24,
        channels=32,
        key_channels=16,
        embed_channels=12,
        feedforward_channels=64,
        num_classes=5,
        num_heads=4,
        **kwargs,
    )


def inputs(batch_size=3):
    generator = torch.manual_seed(1)
    return (
        torch.randn((batch_size, 24, 10, 7), generator=generator),
        torch.randn((batch_size, 32, 9), generator=generator),
    )


@pytest.mark.parametrize('sums', ['_sums_by_index', '_sums_by_product'])
def test_kmeans_update_is_the_sum_over_the_pixels_of_a_cluster(sums):
    torch.manual_seed(0)
    values = torch.randn(2, 6, 50, requires_grad=True)
    assignment = torch.randint(4, (2, 50)) * 2  # odd clusters are empty
    out = getattr(kmax_decoder_layer, sums)(values, assignment, 8)
    expected = torch.zeros(2, 6, 8)
    for b in range(2):
        for pixel, cluster in enumerate(assignment[b]):
            expected[b, :, cluster] += values.detach()[b, :, pixel]
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    weight = torch.randn_like(out)
    (out * weight).sum().backward()
    for b in range(2):
        assert values.grad[b].equal(weight[b, :, assignment[b]])


@pytest.mark.parametrize('sums', ['_sums_by_index', '_sums_by_product'])
def test_kmeans_update_in_half_precision_adds_in_single(sums, monkeypatch):
    # the product, which is for GPUs, here as well
    function = getattr(kmax_decoder_layer, sums)
    monkeypatch.setattr(kmax_decoder_layer, '_sums_by_index', function)
    values = torch.ones(1, 2, 70000, dtype=torch.float16)
    assignment = torch.zeros(1, 70000, dtype=torch.long)
    with torch.autocast('cpu', torch.float16):
        out = kmeans_update(values, assignment, 2)
    assert out.dtype == torch.float32  # float16 ends at 65504
    assert out.tolist() == [[[70000, 0]] * 2]


def test_a_new_layer_passes_the_queries_through():
    layer = build_layer().eval()
    pixels, query = inputs()
    out, prediction = layer(pixels, query)
    assert prediction is None
    assert out.equal(F.gelu(F.gelu(query)))


def test_initial_weights():
    torch.manual_seed(0)
    layer = KMaXDecoderLayer(512, 256, 128, 128, 2048, 124)
    cut = 0.8796  # std of a standard normal distribution cut at -2 and 2
    for module, std in (
        (layer.pixel_conv, math.sqrt(2 / 512)),
        (layer.query_conv, math.sqrt(2 / 256)),
        (layer.kmeans.value, 1 / 16),
        (layer.self_attn.qkv, 1 / 16),
        (layer.ffn[1], math.sqrt(2 / 2048)),
        (layer.predictor.pixel_convs[2], 0.01),
        (layer.predictor.cls_embed, 0.01),
    ):
        weight = module.conv.weight
        assert weight.std().item() == pytest.approx(cut * std, rel=0.03)
        assert weight.abs().max() <= 2 * std
    # Xavier-uniform: fans of a depthwise convolution are 25 and 256 * 25
    bound = math.sqrt(6 / (25 + 256 * 25))
    depthwise = layer.predictor.pixel_convs[0].conv.weight
    assert 0.98 * bound < depthwise.abs().max() <= bound
    assert not layer.predictor.pixel_convs[2].conv.bias.any()
    assert not layer.predictor.cls_embed.conv.bias.any()
    for module in (layer.kmeans.proj, layer.self_attn.proj, layer.ffn[1]):
        assert not module.norm.weight.any()
    assert layer.predictor.mask_norm.weight.item() == pytest.approx(0.1)
    norms = [
        m
        for m in layer.modules()
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)
    ]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize('num_classes', [1, 124])
def test_void_has_nine_tenths_when_nothing_is_known(num_classes):
    predictor = KMaXPredictor(4, 4, 4, num_classes)
    torch.nn.init.zeros_(predictor.cls_embed.conv.weight)
    probabilities = predictor.classify(torch.randn(1, 4, 3)).softmax(-1)
    torch.testing.assert_close(probabilities[..., -1], torch.full((1, 3), 0.9))
    assert 'cls_prior' not in predictor.state_dict()


def test_evaluation_predicts_no_classes():
    layer = build_layer().eval()
    layer.predictor.cls_embed.register_forward_hook(
        lambda *_: pytest.fail('class logits of a layer are for training')
    )
    layer(*inputs())


def test_order_of_the_branches_and_hard_assignment():
    layer = build_layer()
    for parameter in layer.parameters():  # no branch is closed
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    pixels, query = inputs()
    out, prediction = layer(pixels, query)

    hidden = layer.query_conv(query)
    pixels = layer.pixel_conv(pixels)
    owner = prediction.mask_logits.argmax(1)
    one_hot = F.one_hot(owner.flatten(1), 9).float()
    sums = layer.kmeans.value(pixels).flatten(2) @ one_hot
    expected = query + layer.kmeans.proj(layer.kmeans.norm(sums))
    expected = F.gelu(expected + layer.self_attn(hidden))
    expected = F.gelu(expected + layer.ffn(expected))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert prediction.mask_feats.norm(dim=1).allclose(torch.tensor(1.0))


def test_drop_path_skips_branches_of_single_clips():
    layer = build_layer(drop_path_rate=0.5)
    for module in (layer.kmeans.proj, layer.self_attn.proj, layer.ffn[1]):
        module.norm.weight.data.fill_(1)
    pixels, query = inputs(batch_size=64)
    out, _ = layer(pixels, query)
    untouched = (out == F.gelu(F.gelu(query))).flatten(1).all(1).sum()
    assert 2 <= untouched <= 18  # 8 expected: each of three branches skipped
    layer.eval()
    assert layer(pixels, query)[0].equal(layer(pixels, query)[0])


def test_autocast_is_close_to_single_precision():
    layer = build_layer()
    pixels, query = inputs()
    _, expected = layer(pixels, query)
    with torch.autocast('cpu', torch.bfloat16):
        out, prediction = layer(pixels, query)
    assert prediction.mask_feats.dtype == torch.float32
    out.sum().backward()
    for actual, wanted in zip(prediction, expected):
        torch.testing.assert_close(
            actual.float(), wanted, rtol=0, atol=0.1 * wanted.std().item()
        )


def test_heads_that_do_not_divide_the_channels():
    with pytest.raises(ValueError, match='num_heads=3'):
        KMaXSelfAttention(channels=32, key_channels=16, num_heads=3)
