# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.within_clip import (
    AxialTrajectoryEncoder,
    AxialTrajectoryLayer,
)

import pytest
import torch
import torch.nn.functional as F

from tests.parity import assert_parity, load_case


def test_golden_vis_layer_with_its_intermediate_results():
    case = load_case('a_axial_temporal')
    s = case.settings
    size = (s['batch'], s['frames'], s['height'], s['width'], s['embed_dims'])
    encoder = AxialTrajectoryEncoder(
        s['num_layers'],
        embed_dims=s['embed_dims'],
        num_heads=s['num_heads'],
        feedforward_channels=s['feedforward_channels'],
        drop=s['attn_drop'],
    ).eval()
    encoder.load_state_dict(
        {
            key.replace('temporal_layers.', ''): value
            for key, value in case.state.items()
        }
    )
    seen = {}
    for name in ('height_attn', 'width_attn', 'norm1'):
        encoder[0].get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: out})
        )
    out = encoder(case.inputs['src'].view(size), case.inputs['pos'])
    outputs = case.outputs
    assert_parity(out.view_as(outputs['out']), outputs['out'])
    assert_parity(
        seen['norm1'].view_as(outputs['out']), outputs['after_norm1']
    )
    for name in ('height_attn', 'width_attn'):  # one sequence a column or row
        assert_parity(seen[name].reshape(outputs[name].shape), outputs[name])


@pytest.mark.parametrize(
    'name, attn_type',
    [
        ('axial_trajectory_layer_T2', 'axial_trajectory'),
        ('axial_trajectory_layer_T4', 'axial_trajectory'),
        ('trajectory_layer', 'trajectory'),
    ],
)
def test_golden_vps_layer(name, attn_type):
    case = load_case(name, 'vps')
    s, arrays = case.settings, case.outputs
    size = (s['batch'], s['frames'], s['height'], s['width'], s['d_model'])
    layer = AxialTrajectoryLayer(
        s['d_model'], s['heads'], s['ffn_dim'], attn_type=attn_type
    ).eval()
    layer.load_state_dict(case.state)
    src = arrays['src'].view(size).requires_grad_()
    out, maps = layer(src, arrays['pos'], return_attention=True)
    assert_parity(out.view_as(arrays['out']), arrays['out'])
    out.backward(arrays['gout'].view(size))
    assert_parity(src.grad.view_as(arrays['grad_src']), arrays['grad_src'])
    for key in {'height_attn', 'width_attn'} & arrays.keys():
        assert_parity(maps[key].flatten(0, 1), arrays[key])


def naive_layer(layer, attend, x, pos):
    """The layer with one attention over all tokens."""
    tokens = x.flatten(1, 3)
    tokens = layer.norm1(tokens + attend(tokens, pos.flatten(1, 3)))
    ffn = layer.linear2(F.relu(layer.linear1(tokens)))
    return layer.norm2(tokens + ffn).view_as(x)


def test_self_attention_over_all_tokens():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(16, 4, 32, attn_type='self_attention')
    layer = layer.double()
    reference = torch.nn.MultiheadAttention(16, 4, batch_first=True).double()
    attention = layer.temporal_attn
    reference.load_state_dict(
        {
            'in_proj_weight': attention.qkv.weight,
            'in_proj_bias': attention.qkv.bias,
            'out_proj.weight': attention.proj.weight,
            'out_proj.bias': attention.proj.bias,
        }
    )
    x, pos = torch.randn(2, 2, 3, 4, 5, 16, dtype=torch.float64)
    expected = naive_layer(
        layer, lambda t, p: reference(t + p, t + p, t)[0], x, pos
    )
    torch.testing.assert_close(layer(x, pos), expected, rtol=0, atol=1e-12)


def test_axial_attention_sees_columns_then_rows():
    """A change reaches its column in the first step, then whole rows."""
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(16, 4, 32).eval()
    x = torch.randn(2, 3, 4, 5, 16)
    changed = x.clone()
    changed[0, 1, 2, 3] += 1  # clip 0, frame 1, row 2, column 3
    seen = []
    layer.width_attn.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].transpose(1, 2))
    )
    moved_out = (layer(changed) - layer(x)).abs().amax(-1) > 1e-9
    after_height = (seen[0] - seen[1]).abs().amax(-1) > 1e-9
    expected = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    expected[0, :, :, 3] = True
    assert torch.equal(after_height, expected)
    expected[0] = True  # the other clip sees nothing of it
    assert torch.equal(moved_out, expected)


def test_positions_go_to_queries_and_keys_only():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(16, 4, 32).eval()
    x, pos = torch.randn(2, 3, 4, 5, 16), torch.randn(1, 3, 4, 5, 16)
    torch.testing.assert_close(layer(x, pos), layer(x, pos.expand_as(x)))
    # constant queries and keys attend to the mean of the values
    for attention in (layer.height_attn, layer.width_attn):
        torch.nn.init.zeros_(attention.qkv.weight[:32])
    torch.testing.assert_close(layer(x, pos), layer(x))


def test_residual_dropout():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(16, 4, 32, drop=1.0)
    x = torch.randn(1, 2, 3, 4, 16)
    tokens = layer.norm1(x)  # both attentions are dropped
    expected = layer.norm2(
        tokens + layer.linear2(F.relu(layer.linear1(tokens)))
    )
    torch.testing.assert_close(layer(x), expected)


def test_unknown_attention_type():
    with pytest.raises(ValueError, match="'axial'.*'axial_trajectory'"):
        AxialTrajectoryLayer(attn_type='axial')
