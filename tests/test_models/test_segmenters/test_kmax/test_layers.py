# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import warnings
from copy import deepcopy

from projects.maxtron.models.segmenters.kmax import (
    AxialAttention,
    ConvNormAct,
    SingleAxisAttention,
)

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

GELU = dict(type='GELU')


def truncated_std(std):
    """Standard deviation of N(0, 1), cut at 2 and multiplied by ``std``."""
    return 0.8796 * std


@pytest.mark.parametrize(
    'dims,kernel_size,groups', [(2, 1, 1), (2, 3, 1), (1, 1, 1), (2, 5, 64)]
)
def test_conv_init(dims, kernel_size, groups):
    torch.manual_seed(0)
    options = dict(kernel_size=kernel_size, dims=dims, groups=groups)
    unit = ConvNormAct(
        64, 256, bias=True, act_cfg=GELU, norm_weight=0.1, **options
    )
    std = (2 / 64) ** 0.5  # whatever kernel and groups
    assert unit.conv.weight.abs().max() <= 2 * std
    torch.testing.assert_close(
        unit.conv.weight.std().item(), truncated_std(std), rtol=0.05, atol=0
    )
    assert not unit.conv.bias.any() and not unit.bn.bias.any()
    assert (unit.bn.weight == 0.1).all()
    assert (unit.bn.eps, unit.bn.momentum) == (1e-3, 0.01)
    assert unit(torch.rand(3, 64, *[7] * dims)).shape[2:] == (7,) * dims
    unit = ConvNormAct(64, 256, init_std=0.01, norm_cfg=None, **options)
    torch.testing.assert_close(
        unit.conv.weight.std().item(), truncated_std(0.01), rtol=0.05, atol=0
    )
    assert not list(unit.children())[1:]


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(dims=1, bias=True),
        dict(kernel_size=5, groups=4, act_cfg=GELU),
        dict(norm_cfg=dict(type='GN', num_groups=2)),
    ],
)
def test_conv_at_inference(options):
    """The norm is folded into the convolution, which keeps its weights."""
    torch.manual_seed(0)
    unit = ConvNormAct(4, 4, **options).eval()
    for value in (*unit.parameters(), *unit.buffers()):
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5, 1.5)
    before = deepcopy(unit.state_dict())
    x = torch.randn(2, 4, *[7] * options.get('dims', 2))
    expected = unit(x)
    with torch.no_grad():
        actual = unit(x)
        has_batch_norm = 'norm_cfg' not in options
        assert (unit.fold_norm() is not None) == has_batch_norm
    torch.testing.assert_close(actual, expected.detach(), rtol=1e-5, atol=1e-5)
    for name, value in unit.state_dict().items():
        assert torch.equal(value, before[name])
    with torch.no_grad():
        unit.train()(x)
    if has_batch_norm:
        assert (
            unit.bn.num_batches_tracked == before['bn.num_batches_tracked'] + 1
        )


def test_conv_xavier_init():
    torch.manual_seed(0)
    unit = ConvNormAct(256, 256, 5, groups=256, dilation=3, xavier=True)
    # fans of a depthwise kernel as PyTorch counts them: 25 and 25 * 256
    bound = (6 / (25 + 25 * 256)) ** 0.5
    assert 0.99 * bound < unit.conv.weight.abs().max() <= bound
    assert unit(torch.rand(2, 256, 9, 7)).shape == (2, 256, 9, 7)


def test_conv_keeps_its_init_inside_a_model():
    model = BaseModule()
    model.unit = ConvNormAct(64, 256, init_std=0.01, norm_weight=0.0)
    nn.init.ones_(model.unit.conv.weight)
    model.init_weights()
    assert model.unit.conv.weight.abs().max() <= 0.02
    assert not model.unit.bn.weight.any()


def test_conv_with_bias_before_a_norm_is_no_mistake():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        ConvNormAct(4, 4, bias=True)


def naive_attention(attention, x):
    """The formula term by term, on (N, C, L) with tables of fixed size."""
    lines = x.permute(
        (0, 3, 1, 2) if attention.axis == 'height' else (0, 2, 1, 3)
    )
    shape, lines = lines.shape[:2], lines.flatten(0, 1)
    heads, length = attention.num_heads, lines.shape[-1]
    qkv = attention.qkv.bn(attention.qkv.conv(lines))
    key_channels = attention.key_channels
    q, k, v = (
        part.reshape(len(part), heads, -1, length)
        for part in qkv.tensor_split([key_channels, 2 * key_channels], 1)
    )
    tables = [
        torch.stack(
            [
                rpe.weight[attention.max_length - 1 - i :][:length]
                for i in range(length)
            ]
        )
        for rpe in (
            attention.query_rpe,
            attention.key_rpe,
            attention.value_rpe,
        )
    ]
    similarity = attention.similarity_norm(
        torch.cat(
            [
                torch.einsum('nhdl,nhdm->nhlm', q, k),
                torch.einsum('nhdl,lmd->nhlm', q, tables[0]),
                torch.einsum('nhdm,lmd->nhlm', k, tables[1]),
            ],
            1,
        ).flatten(2)
    ).unflatten(2, (length, length))
    weights = sum(similarity.split(heads, 1)).softmax(-1)
    retrieved = attention.output_norm(
        torch.cat(
            [
                torch.einsum('nhlm,nhdm->nhdl', weights, v),
                torch.einsum('nhlm,lmd->nhdl', weights, tables[2]),
            ],
            1,
        ).flatten(1, 2)
    )
    output = sum(retrieved.chunk(2, 1)).unflatten(0, shape)
    return output.permute(
        (0, 2, 3, 1) if attention.axis == 'height' else (0, 2, 1, 3)
    )


def build(axis='width', **kwargs):
    """A small attention whose norms do more than nothing."""
    torch.manual_seed(0)
    attention = SingleAxisAttention(12, 8, 16, axis, num_heads=4, **kwargs)
    for module in attention.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for value in (
                module.weight,
                module.bias,
                module.running_mean,
                module.running_var,
            ):
                nn.init.uniform_(value, 0.5, 1.5)
    return attention


def results(attention, function, x):
    """Output and gradients with regard to the input and all parameters."""
    x = x.clone().requires_grad_()
    output = function(x)
    slopes = torch.linspace(-1, 1, output.numel()).to(x)
    gradients = torch.autograd.grad(
        (output.flatten() * slopes).sum(), [x, *attention.parameters()]
    )
    return [output, *gradients]


@pytest.mark.parametrize('axis', ['height', 'width'])
@pytest.mark.parametrize('training', [True, False])
def test_axial_attention_is_its_formula(axis, training):
    attention = build(axis).double().train(training)
    for size in ((5, 7), (1, 3), (37, 4), (8, 61)):
        x = torch.randn(2, 12, *size, dtype=torch.float64)
        actual = results(attention, attention, x)
        expected = results(
            attention, lambda x: naive_attention(attention, x), x
        )
        for ours, literal in zip(actual, expected):
            torch.testing.assert_close(ours, literal, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('axis', ['height', 'width'])
def test_axial_attention_at_inference(axis):
    """Norms are folded then, in all precisions."""
    attention = build(axis).eval()
    x = torch.randn(2, 12, 6, 9)
    expected = attention(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(
            attention(x), expected, rtol=1e-5, atol=1e-5
        )
        attention.bfloat16()
        actual = attention(x.bfloat16())
    assert actual.dtype == torch.bfloat16
    torch.testing.assert_close(actual.float(), expected, rtol=0.1, atol=0.2)


class SoftmaxTypes(TorchDispatchMode):
    """Collects the types of the arguments of softmax."""

    def __init__(self):
        super().__init__()
        self.types = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if 'softmax' in str(func):
            self.types.add(args[0].dtype)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('grad', [True, False])
def test_axial_attention_in_mixed_precision(dtype, grad):
    attention = build().eval()
    x = torch.randn(2, 12, 6, 9)
    expected = attention(x)
    with torch.autocast('cpu', dtype), torch.set_grad_enabled(grad):
        with SoftmaxTypes() as softmax:
            actual = attention(x)
    assert softmax.types == {torch.float32}
    assert actual.dtype == dtype
    assert (actual - expected).norm() < 0.02 * expected.norm()


def test_axial_attention_init():
    torch.manual_seed(0)
    attention = SingleAxisAttention(256, 128, 256, 'height')
    torch.testing.assert_close(
        attention.qkv.conv.weight.std().item(),
        truncated_std(256**-0.5),
        rtol=0.02,
        atol=0,
    )
    for rpe, dims in (
        (attention.query_rpe, 16),
        (attention.key_rpe, 16),
        (attention.value_rpe, 32),
    ):
        assert rpe.weight.shape == (509, dims)
        assert rpe.weight.abs().max() <= 2
        torch.testing.assert_close(
            rpe.weight.std().item(), truncated_std(1), rtol=0.03, atol=0
        )


def test_axial_attention_with_another_norm():
    attention = build(norm_cfg=dict(type='GN', num_groups=4)).eval()
    x = torch.randn(2, 12, 6, 9)
    with torch.no_grad():
        alone = torch.cat([attention(x[:1]), attention(x[1:])])
        torch.testing.assert_close(attention(x), alone, rtol=1e-4, atol=1e-4)


def test_axial_attention_takes_both_axes_in_turn():
    torch.manual_seed(0)
    attention = AxialAttention(12, 8, 16, num_heads=4).eval()
    x = torch.randn(2, 12, 6, 9)
    expected = attention.width_axis(attention.height_axis(x))
    assert torch.equal(attention(x), expected)
    assert (attention.height_axis.axis, attention.width_axis.axis) == (
        'height',
        'width',
    )


def test_axial_attention_errors():
    attention = build('height', max_length=6)
    assert attention(torch.rand(2, 12, 6, 7)).shape == (2, 16, 6, 7)
    with pytest.raises(ValueError, match='height of a 7 x 6 .* max_length=6'):
        attention(torch.rand(2, 12, 7, 6))
    with pytest.raises(ValueError, match='num_heads=8'):
        SingleAxisAttention(12, 12, 16, 'width')
