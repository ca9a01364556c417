# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Deformable attention against its definition in float64."""

import os
import sys
from pathlib import Path

from projects.maxtron.models.layers import (
    multi_scale_deformable_attention,
    runs_eagerly_on_cpu,
)
from projects.maxtron.models.layers.ms_deform_attn import choice
from projects.maxtron.models.layers.ms_deform_attn import embedding_bag as bag
from projects.maxtron.models.layers.ms_deform_attn.choice import (
    choose_implementation,
)
from projects.maxtron.models.layers.ms_deform_attn.grid_sample import (
    attend_by_grid_sample,
)
from projects.maxtron.testing import naive_deformable_attention

import pytest
import torch

from tests.processes import start_ranks

# Made by tools/misc/setup_venv.sh, apart from the other packages.
TRITON = Path(sys.prefix, 'triton')
SIZES = [(3, 5), (7, 4), (1, 9), (6, 6)]
HALF = {torch.float16: 2e-3, torch.bfloat16: 2e-2}


def make_inputs(
    num_levels=3,
    head_dims=4,
    batch_size=2,
    num_queries=7,
    num_heads=3,
    num_points=2,
):
    """Value, shapes, locations and weights in float64; points lie outside too.

    The numbers are those of float32 tensors, so rounding them changes nothing.
    """
    torch.manual_seed(num_levels + head_dims)
    sizes = SIZES[:num_levels]
    num_tokens = sum(h * w for h, w in sizes)
    points = (batch_size, num_queries, num_heads, num_levels, num_points)
    locations = 1.8 * torch.rand(*points, 2) - 0.4
    weights = torch.randn(points)
    value = torch.randn(batch_size, num_tokens, num_heads, head_dims)
    return value.double(), sizes, locations.double(), weights.double()


def results(attend, value, sizes, locations, weights, grad=None):
    """Output, and gradients of value, locations and weights."""
    inputs = [x.detach().requires_grad_() for x in (value, locations, weights)]
    out = attend(inputs[0], sizes, *inputs[1:])
    if grad is None:
        grad = torch.linspace(-1, 1, out.numel()).view_as(out)
    return [out.detach(), *torch.autograd.grad(out, inputs, grad.to(out))]


def assert_equals_definition(attend, inputs, *dtypes, tolerance=1e-5):
    """Check output and gradients, also their types, relative to the largest.

    Args:
        dtypes: Types of value, locations and weights.
    """
    value, sizes, locations, weights = inputs
    dtypes = dtypes or (torch.float32,) * 3
    rounded = [x.to(t) for x, t in zip((value, locations, weights), dtypes)]
    expected = results(
        naive_deformable_attention,
        rounded[0].double(),
        sizes,
        *(x.double() for x in rounded[1:]),
    )
    found = results(attend, rounded[0], sizes, *rounded[1:])
    for x, wanted, dtype in zip(found, expected, (dtypes[0], *dtypes)):
        assert x.dtype == dtype and x.shape == wanted.shape
        error = (x.double() - wanted).abs().max() / wanted.abs().max()
        assert error < tolerance, error


@pytest.mark.parametrize('num_levels', [1, 2, 4])
@pytest.mark.parametrize(
    'attend', [multi_scale_deformable_attention, attend_by_grid_sample]
)
def test_torch_forms(attend, num_levels):
    inputs = make_inputs(num_levels)
    assert_equals_definition(attend, inputs)
    for dtype, tolerance in HALF.items():
        assert_equals_definition(
            attend,
            inputs,
            *(dtype, torch.float32, torch.float32),
            tolerance=tolerance,
        )
    ones = torch.ones((), dtype=torch.float64).expand(2, 7, 12)
    torch.testing.assert_close(
        results(attend, *inputs, ones),
        results(naive_deformable_attention, *inputs, ones),
    )


@pytest.mark.parametrize('chunk_size', [5, 4096])
def test_embedding_bag(chunk_size, monkeypatch):
    monkeypatch.setattr(bag, 'CHUNK_SIZE', chunk_size)
    value, sizes, locations, weights = make_inputs(4, 5)
    value = value.transpose(1, 2).contiguous().transpose(1, 2)
    assert runs_eagerly_on_cpu(value)
    found = bag.attend_by_embedding_bag(value, sizes, locations, weights)
    expected = naive_deformable_attention(value, sizes, locations, weights)
    torch.testing.assert_close(found, expected)
    half = bag.attend_by_embedding_bag(
        value.bfloat16(), sizes, locations.float(), weights.float()
    )
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), expected, rtol=0.02, atol=0.05)


def test_points_far_outside_count_nothing():
    value, sizes, locations, weights = make_inputs(2)
    expected = locations.clone()
    expected[:, 0] = 3
    expected = naive_deformable_attention(value, sizes, expected, weights)
    for far in (1e30, -1e30, float('inf'), float('nan')):
        locations[:, 0] = far
        found = multi_scale_deformable_attention(
            value, sizes, locations, weights
        )
        start = 0 if abs(far) == 1e30 else 1  # the others yield NaN
        torch.testing.assert_close(found[:, start:], expected[:, start:])


def test_choice(monkeypatch):
    assert choose_implementation('cpu', 3) == 'torch'
    monkeypatch.setattr(choice, '_HAS_TRITON', True)
    monkeypatch.setattr(choice, '_HAS_MMCV', False)
    assert choose_implementation('cuda', 3) == 'triton'
    assert choose_implementation('cuda', 5) == 'torch'
    with pytest.raises(ValueError, match='at most 4 levels, not 5'):
        choose_implementation('cuda', 5, 'triton')
    with pytest.raises(ValueError, match="'mmcv'.*mmcv-lite.*mim install"):
        choose_implementation('cuda', 3, 'mmcv')
    monkeypatch.setattr(choice, '_HAS_MMCV', True)
    assert choose_implementation('cuda', 3) == 'mmcv'
    with pytest.raises(ValueError, match="'mmcv'.*not run on CPUs"):
        choose_implementation('cpu', 3, 'mmcv')
    with pytest.raises(ValueError, match="implementation='cuda'.*unknown"):
        choose_implementation('cuda', 3, 'cuda')
    monkeypatch.setattr(choice, '_FROM_ENVIRONMENT', 'triton')
    assert choose_implementation('cuda', 3) == 'triton'
    assert choose_implementation('cuda', 3, 'torch') == 'torch'
    monkeypatch.setattr(choice, '_HAS_TRITON', False)
    with pytest.raises(ValueError, match='MAXTRON_MSDA.*pip install triton'):
        choose_implementation('cuda', 3)


def by_triton(*args):
    return multi_scale_deformable_attention(*args, 'triton')


def check_triton(rank):
    """Run the kernels in Triton's interpreter, one test after the other.

    The interpreter is chosen when Triton is imported, so this is a process of
    its own. An operation of a program takes 0.1 ms, so inputs are small.
    """
    sys.path.insert(0, str(TRITON))
    os.environ['TRITON_INTERPRET'] = '1'
    choice._HAS_TRITON = choice._INTERPRETS_TRITON = True
    one_program = dict(batch_size=1, num_heads=1, num_points=1)
    for head_dims in (*range(1, 17), 32):
        inputs = make_inputs(1 + head_dims % 4, head_dims, **one_program)
        assert_equals_definition(by_triton, inputs)
    inputs = make_inputs(2, 3, batch_size=1, num_heads=1)
    assert_equals_definition(by_triton, inputs)
    # more queries than a program has
    inputs = make_inputs(1, 32, 1, num_queries=40, num_heads=2, num_points=1)
    assert_equals_definition(by_triton, inputs)

    inputs = make_inputs(2, 8, **one_program)
    for dtype, tolerance in HALF.items():
        for other in (dtype, torch.float32):
            assert_equals_definition(
                by_triton, inputs, dtype, other, other, tolerance=tolerance
            )
    doubles = [torch.float64] * 3
    assert_equals_definition(by_triton, inputs, *doubles, tolerance=1e-12)

    value, sizes, locations, weights = inputs
    for far in (float('inf'), float('nan'), -1e30):
        locations[:, 0] = far
        found = results(by_triton, *inputs)
        assert all(x.isfinite().all() for x in found)
        assert not found[0][:, 0].any() and not found[2][:, 0].any()

    # each tensor with its axes in another order, and an expanded gradient
    value, sizes, locations, weights = make_inputs(1, 2, num_queries=3)
    value, locations, weights = (
        x.movedim(0, -1).contiguous().movedim(-1, 0)
        for x in (value, locations, weights)
    )
    assert not any(x.is_contiguous() for x in (value, locations, weights))
    ones = torch.ones((), dtype=torch.float64).expand(2, 3, 6)
    args = (value, sizes, locations, weights)
    torch.testing.assert_close(
        results(by_triton, *args, ones),
        results(naive_deformable_attention, *args, ones),
    )
    check_tracing(*make_inputs(2, 4, num_queries=3, **one_program))


def check_tracing(value, sizes, locations, weights):
    """Check the operator as PyTorch's compiler, autograd and export see it."""
    tensors = [x.requires_grad_() for x in (value, locations, weights)]
    flat = [side for size in sizes for side in size]
    torch.library.opcheck(
        torch.ops.maxtron.ms_deform_attn.default,
        (tensors[0], flat, *tensors[1:], 'triton'),
    )
    args = (value, sizes, locations, weights)
    compiled = torch.compile(by_triton, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(
        results(compiled, *args), results(by_triton, *args)
    )
    # The automatic choice exports plain operators: none of ours and no bag.
    module = Module(sizes)
    with torch.no_grad():
        program = torch.export.export(module, tuple(tensors))
        names = {str(node.target) for node in program.graph.nodes}
        assert any('grid_sampler' in name for name in names)
        assert not any('maxtron' in name or 'bag' in name for name in names)
        torch.testing.assert_close(
            program.module()(*tensors), module(*tensors)
        )


class Module(torch.nn.Module):
    """The automatic choice, as a module."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, value, *tensors):
        return multi_scale_deformable_attention(value, self.sizes, *tensors)


@pytest.mark.slow
@pytest.mark.skipif(
    not TRITON.exists() or 'triton' in sys.modules,
    reason='needs the Triton of "make setup", and no other one',
)
def test_triton_form():
    start_ranks(check_triton, num_ranks=1)
