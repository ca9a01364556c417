# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import re

import projects.maxtron  # noqa: F401, before MMDetection

import pytest
import torch
from mmdet.registry import MODELS

from tests.parity import assert_parity, load_case, weights

RENAMES = (
    ('^within_clip_tracking_module.', ''),
    ('^transformer.', ''),
    (r'^level_embed_2d$', 'level_encoding.weight'),
    (r'^level_embed_3d$', 'level_3d_encoding.weight'),
    (r'^(in|out)put_proj\.(\d)\.0\.', r'\1put_projs.\2.conv.'),
    (r'^(in|out)put_proj\.(\d)\.1\.', r'\1put_projs.\2.gn.'),
    ('^input_projs', 'input_convs'),
    (r'^encoder\.spatial_layers', 'encoder.layers'),
    (r'^encoder\.temporal_layers', 'encoder.layers'),
    (r'^(encoder\.layers\.\d\.)norm1', r'\1norms.0'),
    (r'^(encoder\.layers\.\d\.)norm2', r'\1norms.1'),
    (r'^(encoder\.layers\.\d\.)linear1', r'\1ffn.layers.0.0'),
    (r'^(encoder\.layers\.\d\.)linear2', r'\1ffn.layers.1'),
)


def rename(key):
    for pattern, new in RENAMES:
        key = re.sub(pattern, new, key)
    return key


def build_neck(num_stages, in_channels=(256, 512, 1024, 2048),
               embed_dims=256, **temporal_cfg):
    return MODELS.build(
        dict(
            type='AxialTrajectoryNeck',
            in_channels=in_channels,
            feat_channels=embed_dims,
            encoder=dict(
                num_layers=num_stages,
                layer_cfg=dict(
                    self_attn_cfg=dict(
                        embed_dims=embed_dims, num_levels=3, dropout=0.),
                    ffn_cfg=dict(
                        embed_dims=embed_dims, feedforward_channels=1024))),
            positional_encoding=dict(
                num_feats=embed_dims // 2, normalize=True),
            temporal_cfg=dict(
                position='after', skip_connect=False, **temporal_cfg)))


@pytest.mark.parametrize('name', [
    'within_clip_module', 'within_clip_module_trajectory',
    'within_clip_module_msda_only', 'within_clip_module_1stage_3axial_T3'
])
def test_golden_within_clip_module(name):
    case = load_case(name, 'vps')
    s = case.settings
    stages = s['stages_Nw']
    neck = build_neck(
        stages,
        num_levels=len(s['temporal_levels']),
        num_layers=s['temporal_layers_total'] // stages,
        attn_type=s['temporal_type'].replace('-', '_')).eval()
    neck.load_state_dict({rename(k): v for k, v in case.state.items()})
    num_images = s['clips'] * s['frames_per_clip']
    inputs = [torch.zeros(num_images, 256, 1, 1)]
    for level in ('res3', 'res4', 'res5'):
        shape = (num_images, s['in_channels'][level], *s['map_sizes'][level])
        array = weights.tensor(f'within_clip.{level}', shape,
                               case.info['seed'])
        inputs.append(torch.from_numpy(array))
    outputs = neck(inputs, s['frames_per_clip'])
    assert outputs[0] is inputs[0]
    step = int(re.search(r'every (\d+)th', s['stored']).group(1))
    for level, out in zip(('res3', 'res4', 'res5'), outputs[1:]):
        assert_parity(out[:, ::step], case.outputs[f'out_{level}'])
        mean, std, norm = s['full_mean_std_l2'][level]
        assert out.norm().item() == pytest.approx(norm, rel=1e-5)


def test_every_parameter_learns_and_shapes_are_kept():
    torch.manual_seed(0)
    channels = (16, 32, 64, 96)
    neck = build_neck(1, channels, embed_dims=32, num_layers=1)
    neck.init_weights()
    # away from the start, where the deformable attention ignores its query
    for parameter in neck.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    feats = [
        torch.randn(4, c, 64 // s, 96 // s)
        for c, s in zip(channels, (4, 8, 16, 32))
    ]
    outputs = neck(feats, 2)
    assert [x.shape for x in outputs] == [x.shape for x in feats]
    sum((x * torch.randn_like(x)).sum() for x in outputs).backward()
    without = [
        name for name, p in neck.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert without == []
