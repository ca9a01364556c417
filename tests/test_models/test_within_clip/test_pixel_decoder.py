# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from copy import deepcopy

from projects.maxtron.models.within_clip import (
    AxialTrajectoryPixelDecoder,
    TrajectoryAttention,
)

import pytest
import torch
from mmdet.models.layers import MSDeformAttnPixelDecoder
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from tests.parity import assert_parity, load_case

IN_CHANNELS = [16, 24, 32, 40]


def decoder_cfg(num_layers=6, feedforward_channels=1024, **kwargs):
    return ConfigDict(
        in_channels=IN_CHANNELS,
        feat_channels=64,
        out_channels=32,
        encoder=dict(
            num_layers=num_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=64, num_levels=3, dropout=0.0),
                ffn_cfg=dict(
                    embed_dims=64, feedforward_channels=feedforward_channels
                ),
            ),
        ),
        positional_encoding=dict(num_feats=32, normalize=True),
        **kwargs,
    )


def build(seed=0, **kwargs):
    """A small decoder with initialised weights."""
    torch.manual_seed(seed)
    cfg = dict(num_layers=2, feedforward_channels=64)
    decoder = AxialTrajectoryPixelDecoder(**decoder_cfg(**cfg, **kwargs))
    decoder.init_weights()
    return decoder.eval()


def features(num_images, height=64, width=96, seed=0):
    torch.manual_seed(seed)
    return [
        torch.randn(num_images, channels, height // stride, width // stride)
        for channels, stride in zip(IN_CHANNELS, (4, 8, 16, 32))
    ]


def flatten(outputs):
    return [outputs[0], *outputs[1]]


@pytest.mark.parametrize('name', ['c_pixel_decoder', 'c_pixel_decoder_plain'])
def test_golden_pixel_decoder(name):
    case = load_case(name)
    s = case.settings
    temporal_cfg = dict(
        num_levels=s['num_temporal_levels'],
        num_layers=s['num_temporal_layers'],
        feedforward_channels=s['num_temporal_dim'],
        drop=s['attn_drop'],
        skip_connect=s['skip_connect'],
    )
    decoder = MODELS.build(
        dict(
            type='AxialTrajectoryPixelDecoder',
            **decoder_cfg(temporal_cfg=temporal_cfg),
        )
    ).eval()
    decoder.load_state_dict(case.state)
    feats = [case.inputs[f'feat_{i}'] for i in range(4)]
    mask_feature, memories = decoder(feats, s['frames'])
    assert_parity(mask_feature, case.outputs['mask_feature'])
    for i, memory in enumerate(memories):
        assert_parity(memory, case.outputs[f'memory_{i}'])


@pytest.mark.parametrize('temporal_cfg', [None, dict(num_levels=0)])
def test_without_temporal_levels_it_is_mmdets_decoder(temporal_cfg):
    decoder = build(temporal_cfg=temporal_cfg)
    plain = MSDeformAttnPixelDecoder(
        **decoder_cfg(num_layers=2, feedforward_channels=64)
    ).eval()
    plain.load_state_dict(decoder.state_dict())
    feats = features(4)
    for actual, expected in zip(
        flatten(decoder(feats, 2)), flatten(plain(feats))
    ):
        # The samples of deformable attention are added in another order.
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('position', ['inside', 'after'])
def test_clips_of_a_batch_are_independent(position):
    decoder = build(temporal_cfg=dict(position=position, gamma_init=1.0))
    feats = features(6)
    together = flatten(decoder(feats, 3))
    for clip in (slice(0, 3), slice(3, 6)):
        alone = flatten(decoder([feat[clip] for feat in feats], 3))
        for actual, expected in zip(alone, together):
            torch.testing.assert_close(
                actual, expected[clip], rtol=1e-4, atol=1e-5
            )
    # while the frames of one are not
    single = flatten(decoder([feat[:1] for feat in feats], 1))
    assert (single[1] - together[1][:1]).abs().max() > 1e-2


def test_any_clip_length_and_no_state_between_calls():
    decoder = build(temporal_cfg=dict(gamma_init=1.0))
    names = set(decoder.state_dict())
    feats = features(4, 32, 64)
    before = flatten(decoder(feats, 4))
    decoder(features(1, 96, 64), 1)
    with pytest.raises(ValueError, match='4 frames .* num_frames=3'):
        decoder(feats, 3)
    after = flatten(deepcopy(decoder)(feats, 4))
    for first, second in zip(before, after):
        assert torch.equal(first, second)
    assert set(decoder.state_dict()) == names


@pytest.mark.parametrize('position', ['inside', 'after'])
@pytest.mark.parametrize(
    'attn_type', ['axial_trajectory', 'trajectory', 'self_attention']
)
def test_every_parameter_learns(position, attn_type):
    decoder = build(
        temporal_cfg=dict(
            position=position,
            attn_type=attn_type,
            feedforward_channels=32,
            gamma_init=1.0,
        )
    ).train()
    # away from the start, where the deformable attention ignores its query
    for parameter in decoder.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    sum(
        out.square().sum() for out in flatten(decoder(features(4), 2))
    ).backward()
    without = [
        name
        for name, p in decoder.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert without == []


def test_mixed_precision():
    decoder = build(temporal_cfg=dict())
    feats = features(2)
    with torch.autocast('cpu', torch.bfloat16):
        outputs = decoder(feats, 2)
    for actual, expected in zip(flatten(outputs), flatten(decoder(feats, 2))):
        assert (actual - expected).abs().mean() < 0.05 * expected.std()


def test_initial_weights():
    decoder = AxialTrajectoryPixelDecoder(
        feat_channels=256,
        encoder=dict(
            num_layers=1,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_levels=3),
                ffn_cfg=dict(feedforward_channels=1024),
            ),
        ),
        temporal_cfg=dict(num_levels=2),
    )
    torch.nn.init.zeros_(decoder.level_3d_encoding.weight)
    decoder.init_weights()
    attention = decoder.encoder.layers[0].self_attn
    assert torch.equal(attention.gamma, torch.full((256,), 1e-6))
    # offsets look around, as in the image model
    assert not attention.sampling_offsets.weight.any()
    assert attention.sampling_offsets.bias.abs().max() == 4
    assert decoder.level_3d_encoding.weight.shape == (2, 256)
    assert decoder.level_3d_encoding.weight.std().item() == pytest.approx(
        1, rel=0.1
    )
    tracks = [
        m for m in attention.modules() if isinstance(m, TrajectoryAttention)
    ]
    assert len(tracks) == 2
    for weight in (w for m in tracks for w in m.qkv.weight.chunk(3)):
        assert weight.std().item() == pytest.approx(256**-0.5, rel=0.02)


def test_too_many_temporal_levels():
    with pytest.raises(ValueError, match='num_levels=4 .* 3'):
        build(temporal_cfg=dict(num_levels=4))
