# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from copy import deepcopy

from projects.maxtron.models.within_clip import (
    AxialTrajectoryDeformableEncoder,
    AxialTrajectoryDeformableEncoderLayer,
)
from projects.maxtron.models.within_clip.token_grid import make_token_grid

import pytest
import torch
from mmdet.models.layers.transformer.deformable_detr_layers import (
    DeformableDetrTransformerEncoderLayer,
)

from tests.parity import assert_parity, load_case

SIZES = [(2, 3), (4, 6), (8, 12)]


def layer_cfg(embed_dims=32, ffn_channels=96):
    return dict(
        self_attn_cfg=dict(embed_dims=embed_dims, num_levels=3, dropout=0.0),
        ffn_cfg=dict(embed_dims=embed_dims, feedforward_channels=ffn_channels),
    )


def encoder_inputs(sizes, batch_size, num_frames, embed_dims=32):
    """Inputs of the encoder of a pixel decoder, and temporal positions."""
    grid = make_token_grid(sizes, torch.device('cpu'))
    num_images, length = batch_size * num_frames, len(grid.reference_points)
    inputs = dict(
        query=torch.randn(num_images, length, embed_dims),
        query_pos=torch.randn(1, length, embed_dims),
        grid=grid,
    )
    temporal_pos = [
        torch.randn(1, num_frames, h, w, embed_dims) for h, w in sizes[:2]
    ]
    return inputs, temporal_pos


def mmdet_inputs(query, query_pos, grid):
    """The same inputs for MMDetection's layer."""
    shapes = torch.tensor(grid.spatial_shapes)
    areas = shapes.prod(1)
    return dict(
        query=query,
        query_pos=query_pos,
        key_padding_mask=None,
        spatial_shapes=shapes,
        level_start_index=areas.cumsum(0) - areas,
        reference_points=grid.reference_points[None, :, None].expand(
            len(query), -1, len(shapes), -1
        ),
    )


@pytest.mark.parametrize(
    'name',
    ['b_encoder_layer', 'b_encoder_layer_noskip', 'b_encoder_layer_plain'],
)
def test_golden_encoder_layer(name):
    case = load_case(name)
    s = case.settings
    cfg = layer_cfg(s['embed_dims'], s['ffn_channels'])
    temporal_pos = [
        case.inputs[f'query_pos3d_{i}']
        for i in range(s['num_temporal_levels'])
    ]
    temporal_cfg = None
    if temporal_pos:
        temporal_cfg = dict(
            num_layers=s['num_temporal_layers'],
            feedforward_channels=s['num_temporal_dim'],
            skip_connect=s['skip_connect'],
            drop=s['attn_drop'],
        )
    layer = AxialTrajectoryDeformableEncoderLayer(temporal_cfg, **cfg)
    layer.eval().load_state_dict(case.state)
    inputs, _ = encoder_inputs(s['sizes'], s['batch'], s['frames'])
    inputs.update(
        query=case.inputs['query'],
        query_pos=case.inputs['query_pos'],
        temporal_pos=temporal_pos,
    )
    seen = []
    layer.self_attn.register_forward_hook(
        lambda _, args, out: seen.append(out)
    )
    assert_parity(layer(**inputs), case.outputs['out'])
    assert_parity(seen[0], case.outputs['attn_out'])


def test_golden_vps_layer():
    """The layer of the neck, which has nothing inside its attention."""
    case = load_case('msdeform_layer', 'vps')
    s, arrays = case.settings, case.outputs
    cfg = layer_cfg(s['d_model'], s['ffn_dim'])
    cfg['self_attn_cfg'].update(num_heads=s['heads'], num_points=s['points'])
    layer = AxialTrajectoryDeformableEncoderLayer(None, **cfg).eval()
    layer.load_state_dict(case.state)
    inputs, _ = encoder_inputs(s['levels'], 1, len(arrays['src']), 64)
    torch.testing.assert_close(
        mmdet_inputs(**inputs)['reference_points'], arrays['reference_points']
    )
    inputs.update(query=arrays['src'], query_pos=arrays['pos'])
    assert_parity(layer(**inputs), arrays['out'])


def build_layer(seed=0, **temporal_cfg):
    torch.manual_seed(seed)
    cfg = dict(feedforward_channels=48, gamma_init=0.5)
    return AxialTrajectoryDeformableEncoderLayer(
        dict(cfg, **temporal_cfg), **layer_cfg()
    ).eval()


@pytest.mark.parametrize('skip_connect', [True, False])
def test_after_the_layer_equals_its_composition(skip_connect):
    layer = build_layer(
        position='after', skip_connect=skip_connect, num_layers=2
    )
    plain = DeformableDetrTransformerEncoderLayer(**layer_cfg()).eval()
    missing = plain.load_state_dict(layer.state_dict(), strict=False)
    assert not missing.missing_keys
    inputs, temporal_pos = encoder_inputs(SIZES, 2, 3)
    out = layer(**inputs, temporal_pos=temporal_pos)

    expected = plain(**mmdet_inputs(**inputs))
    start = 0
    for pos, (h, w) in zip(temporal_pos, SIZES):
        level = slice(start, start + h * w)
        maps = expected[:, level].reshape(2, 3, h, w, 32)
        tracked = maps
        for temporal_layer in layer.temporal_layers:
            tracked = temporal_layer(tracked, pos)
        if skip_connect:
            tracked = maps + 0.5 * tracked
        expected[:, level] = tracked.reshape(6, h * w, 32)
        start += h * w
    torch.testing.assert_close(out, expected)
    inside = build_layer(skip_connect=skip_connect, num_layers=2)
    inside.load_state_dict(
        {
            key.replace('temporal', 'self_attn.temporal').replace(
                'gamma', 'self_attn.gamma'
            ): value
            for key, value in layer.state_dict().items()
        }
    )
    assert (
        inside(**inputs, temporal_pos=temporal_pos) - out
    ).abs().max() > 0.1


def test_small_gamma_leaves_an_image_model_undisturbed():
    layer = build_layer(gamma_init=1e-6)
    plain = DeformableDetrTransformerEncoderLayer(**layer_cfg()).eval()
    plain.load_state_dict(layer.state_dict(), strict=False)
    inputs, temporal_pos = encoder_inputs(SIZES, 1, 2)
    torch.testing.assert_close(
        layer(**inputs, temporal_pos=temporal_pos),
        plain(**mmdet_inputs(**inputs)),
        rtol=1e-4,
        atol=1e-4,
    )
    # and without any temporal level it is the image model
    torch.testing.assert_close(
        layer(**inputs), plain(**mmdet_inputs(**inputs))
    )


def test_frames_of_a_clip_are_connected_on_temporal_levels_only():
    layer = build_layer()
    inputs, temporal_pos = encoder_inputs(SIZES, 2, 2)

    def reach(position):
        changed = dict(inputs, query=inputs['query'].clone())
        changed['query'][0, position] += 1
        moved = layer(**changed, temporal_pos=temporal_pos) - layer(
            **inputs, temporal_pos=temporal_pos
        )
        return moved.abs().amax((1, 2)) > 0

    # frame 1 hears of frame 0, the other clip does not
    assert reach(0).tolist() == [True, True, False, False]
    with torch.no_grad():  # keep the sampling away from the coarse levels
        layer.self_attn.attention_weights.bias.view(8, 3, 4)[:, :2] = -1e4
        layer.self_attn.gamma.zero_()
    assert reach(-1).tolist() == [True, False, False, False]


def test_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    temporal_cfg = dict(feedforward_channels=48, drop=0.1)
    encoder = AxialTrajectoryDeformableEncoder(
        temporal_cfg, num_layers=2, layer_cfg=layer_cfg()
    )
    checkpointed = AxialTrajectoryDeformableEncoder(
        temporal_cfg, num_layers=2, num_cp=1, layer_cfg=layer_cfg()
    )
    assert [layer.with_cp for layer in checkpointed.layers] == [True, False]
    checkpointed.load_state_dict(deepcopy(encoder.state_dict()))
    inputs, temporal_pos = encoder_inputs(SIZES, 1, 2)
    grads = []
    for module in (encoder, checkpointed):
        torch.manual_seed(1)
        module.train()(
            **inputs, temporal_pos=temporal_pos
        ).square().sum().backward()
        grads.append([p.grad for p in module.parameters()])
    for expected, actual in zip(*grads):
        torch.testing.assert_close(actual, expected)


def test_wrong_settings():
    with pytest.raises(ValueError, match="position='before'.*'after'"):
        build_layer(position='before')
    with pytest.raises(TypeError, match='num_layer'):
        build_layer(num_layer=1)
    with pytest.raises(ValueError, match="implementation='cuda'.*torch"):
        AxialTrajectoryDeformableEncoder(None, implementation='cuda')


def test_implementation_reaches_all_attentions():
    for name, expected in ((None, 'auto'), ('torch', 'torch')):
        encoder = AxialTrajectoryDeformableEncoder(
            dict(feedforward_channels=48),
            num_spatial_layers=2,
            implementation=name,
            num_layers=1,
            layer_cfg=layer_cfg(),
        )
        assert [
            layer.self_attn.implementation for layer in encoder.layers
        ] == [expected, expected]
