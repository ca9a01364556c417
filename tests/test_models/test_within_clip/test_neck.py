# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import re

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.models.within_clip import (
    AxialTrajectoryPixelDecoder,
    TrajectoryAttention,
)

import pytest
import torch
from mmdet.models.layers.transformer.deformable_detr_layers import (
    DeformableDetrTransformerEncoderLayer,
)
from mmdet.registry import MODELS
from torch import nn

from tests.models import build, model_cfg
from tests.parity import assert_parity, load_case, weights

CHANNELS = (16, 32, 64, 96)


def build_neck(**kwargs):
    cfg = dict(
        type='AxialTrajectoryNeck',
        in_channels=CHANNELS,
        feat_channels=32,
        feedforward_channels=64,
    )
    return MODELS.build({**cfg, **kwargs})


def features(num_images):
    return [
        torch.randn(num_images, c, 64 // s, 96 // s)
        for c, s in zip(CHANNELS, (4, 8, 16, 32))
    ]


@pytest.mark.parametrize(
    'name',
    [
        'within_clip_module',
        'within_clip_module_trajectory',
        'within_clip_module_msda_only',
        'within_clip_module_1stage_3axial_T3',
    ],
)
def test_golden_within_clip_module(name):
    case = load_case(name, 'vps')
    s = case.settings
    stages = s['stages_Nw']
    neck = build_neck(
        in_channels=[256, *s['in_channels'].values()],
        num_blocks=stages,
        num_spatial_layers=s['spatial_layers_total'] // stages,
        temporal_cfg=dict(
            num_layers=s['temporal_layers_total'] // stages,
            num_levels=len(s['temporal_levels']),
            attn_type=s['temporal_type'].replace('-', '_'),
        ),
        feat_channels=s['width'],
        num_heads=s['heads'],
        num_points=s['points'],
        feedforward_channels=s['ffn_dim'],
    ).eval()
    neck.load_state_dict(case.state)
    num_images = s['clips'] * s['frames_per_clip']
    inputs = [torch.zeros(num_images, 256, 1, 1)]
    for level in ('res3', 'res4', 'res5'):
        shape = (num_images, s['in_channels'][level], *s['map_sizes'][level])
        array = weights.tensor(
            f'within_clip.{level}', shape, case.info['seed']
        )
        inputs.append(torch.from_numpy(array))
    outputs = neck(inputs, s['frames_per_clip'])
    assert outputs[0] is inputs[0]
    step = int(re.search(r'every (\d+)th', s['stored']).group(1))
    for level, out in zip(('res3', 'res4', 'res5'), outputs[1:]):
        assert_parity(out[:, ::step], case.outputs[f'out_{level}'])
        mean, std, norm = s['full_mean_std_l2'][level]
        assert out.norm().item() == pytest.approx(norm, rel=1e-5)


# All rows of the paper's Table 5 and what lies around them: blocks,
# MSDeformAttn and temporal layers of a block, type of the latter.
VARIANTS = [
    (2, 1, 0, 'axial_trajectory'),
    (2, 1, 1, 'trajectory'),
    (2, 1, 1, 'axial_trajectory'),
    (2, 1, 2, 'axial_trajectory'),
    (1, 1, 2, 'axial_trajectory'),
    (3, 1, 2, 'axial_trajectory'),
    (2, 1, 3, 'axial_trajectory'),
    (1, 2, 4, 'axial_trajectory'),  # sequential
    (2, 0, 2, 'axial_trajectory'),
]


@pytest.mark.parametrize('blocks, spatial, temporal, attn_type', VARIANTS)
def test_variants(blocks, spatial, temporal, attn_type):
    """Each runs its layers in order, learns with all and keeps shapes."""
    torch.manual_seed(0)
    neck = build_neck(
        num_blocks=blocks,
        num_spatial_layers=spatial,
        temporal_cfg=dict(
            num_layers=temporal, attn_type=attn_type, feedforward_channels=64
        ),
    )
    neck.init_weights()
    # away from the start, where the deformable attention ignores its query
    for parameter in neck.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    order = []
    for module in neck.encoder.modules():
        kind = None
        if isinstance(module, DeformableDetrTransformerEncoderLayer):
            module, kind = module.ffn, 'M'
        elif isinstance(module, TrajectoryAttention):
            kind = 't'
        if kind:
            module.register_forward_pre_hook(
                lambda *_, kind=kind: order.append(kind)
            )
    feats = features(4)
    outputs = neck(feats, 2)
    # on two levels, each along two axes unless it is full attention
    calls = 2 * temporal * (1 if attn_type == 'trajectory' else 2)
    assert ''.join(order) == ('M' * spatial + 't' * calls) * blocks

    assert outputs[0] is feats[0]
    assert [x.shape for x in outputs] == [x.shape for x in feats]
    sum((x * torch.randn_like(x)).sum() for x in outputs).backward()
    without = [
        name
        for name, p in neck.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert without == []
    assert neck.level_encoding.weight.requires_grad == (spatial > 0)


def test_spatial_layers_are_named_as_without_temporal_ones():
    """So image models give their weights to video models."""
    for spatial in (1, 2):
        image = build_neck(num_spatial_layers=spatial, temporal_cfg=None)
        video = build_neck(num_spatial_layers=spatial)
        missing = video.load_state_dict(image.state_dict(), strict=False)
        assert not missing.unexpected_keys
        assert all(
            re.match(r'(encoder\.layers\.\d\.temporal_layers|level_3d)', key)
            for key in missing.missing_keys
        )


def test_frames_of_a_clip_are_connected_by_temporal_layers_alone():
    torch.manual_seed(0)
    feats = features(4)
    changed = [x.clone() for x in feats]
    changed[-1][0] = torch.randn_like(feats[-1][0])

    def reach(**kwargs):
        neck = build_neck(**kwargs).eval()
        with torch.no_grad():
            moved = neck(changed, 2)[1] - neck(feats, 2)[1]
        return (moved.abs().amax((1, 2, 3)) > 1e-6).tolist()

    assert reach() == [True, True, False, False]
    assert reach(temporal_cfg=None) == [True, False, False, False]


def test_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    feats = features(2)
    grads = []
    state = build_neck(num_spatial_layers=2).state_dict()
    for with_cp in (False, True):
        neck = build_neck(num_spatial_layers=2, with_cp=with_cp).train()
        neck.load_state_dict(state)
        sum(x.square().mean() for x in neck(feats, 2)).backward()
        grads.append([p.grad for p in neck.parameters()])
    assert all(layer.with_cp for layer in neck.encoder.layers)
    for expected, actual in zip(*grads):
        torch.testing.assert_close(actual, expected)


def test_initial_weights():
    neck = build_neck(feat_channels=256)
    neck.init_weights()
    track = neck.encoder.layers[0].temporal_layers[0].height_attn
    linears = [
        module
        for layer in neck.encoder.layers
        for module in (layer.ffn.layers[1], layer.temporal_layers[0].linear2)
    ]
    bounds = [(w.weight, sum(w.weight.shape)) for w in linears] + [
        (w, 512) for w in track.qkv.weight.chunk(3)
    ]
    for weight, fans in bounds:  # Xavier uniform
        bound = (6 / fans) ** 0.5
        assert weight.abs().max().item() == pytest.approx(bound, rel=1e-2)
    sampling = neck.encoder.layers[1].self_attn.sampling_offsets
    assert not sampling.weight.any() and sampling.bias.abs().max() == 4
    for projection in (*neck.input_convs, *neck.output_projs):
        assert not projection.conv.bias.any()


def test_before_tube_link():
    """It stands before any segmenter."""
    torch.manual_seed(0)
    cfg = model_cfg()
    channels = cfg.head.segmenter.in_channels
    cfg.head.segmenter.pixel_decoder.type = 'MSDeformAttnPixelDecoder'
    cfg.head.segmenter.pixel_decoder.pop('temporal_cfg')
    cfg.neck = dict(
        type='AxialTrajectoryNeck',
        in_channels=channels,
        norm_cfg=dict(type='GN', num_groups=8),
        feat_channels=32,
        feedforward_channels=64,
        temporal_cfg=dict(num_layers=1, feedforward_channels=64),
    )
    model = build(cfg)
    decoder = model.head.segmenter.pixel_decoder
    assert isinstance(decoder, AxialTrajectoryPixelDecoder)  # one graph
    assert not decoder.tracks_within_clip
    clip = torch.randn(1, 2, 3, 64, 96)
    pred = model._forward(clip)
    assert pred.mask_logits.shape[:1] + pred.mask_logits.shape[2:] == (
        1,
        2,
        16,
        24,
    )
    clip[0, 1] = 0
    moved = model._forward(clip).mask_logits - pred.mask_logits
    assert moved[:, :, 0].abs().max() > 0  # frame 0 hears of frame 1
    assert isinstance(model.neck.mask_feature, nn.Identity)


def test_wrong_settings():
    with pytest.raises(ValueError, match='nothing to do'):
        build_neck(num_spatial_layers=0, temporal_cfg=None)
    with pytest.raises(ValueError, match="attn_type='axial-trajectory'"):
        build_neck(
            temporal_cfg=dict(num_layers=1, attn_type='axial-trajectory')
        )
    with pytest.raises(ValueError, match='num_levels=4 .* 3'):
        build_neck(temporal_cfg=dict(num_layers=1, num_levels=4))
