# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from tests.parity import assert_parity, load_case, weights

IN_CHANNELS = [8, 12, 16, 24]  # from high to low resolution
BASE_CHANNELS = (16, 12, 8, 6)


def build(**kwargs):
    """A small decoder."""
    torch.manual_seed(0)
    return MODELS.build(
        {
            **dict(
                type='KMaXPixelDecoder',
                in_channels=IN_CHANNELS,
                base_channels=BASE_CHANNELS,
                num_blocks=(1, 2, 1, 1),
                num_heads=4,
            ),
            **kwargs,
        }
    )


def features(height, width, num_images=2):
    """Maps of an image, each of half of the size before, rounded up."""
    torch.manual_seed(1)
    return [
        torch.randn(
            num_images, channels, -(-height // stride), -(-width // stride)
        )
        for channels, stride in zip(IN_CHANNELS, (4, 8, 16, 32))
    ]


@pytest.mark.slow
def test_golden_pixel_decoder():
    case = load_case('kmax_pixel_decoder', 'vps')
    s = case.settings
    decoder = build(
        in_channels=list(s['in_channels'].values()),
        base_channels=s['base_filters'],
        num_blocks=s['blocks'],
        block_types=s['types'],
        num_heads=8,
    ).eval()
    decoder.load_state_dict(case.state, strict=True)
    feats = [
        torch.from_numpy(
            weights.tensor(
                f'pixel_decoder.{level}',
                (s['batch'], channels, *s['map_sizes'][level]),
                case.info['seed'],
            )
        )
        for level, channels in s['in_channels'].items()
    ]
    for grad in (True, False):  # two ways to compute the norms
        with torch.set_grad_enabled(grad):
            mask_feature, memories = decoder(feats)
        outputs = dict(panoptic_os4=mask_feature)
        for stride, memory in zip((32, 16, 8), memories, strict=True):
            outputs[f'multi_scale_os{stride}'] = memory
        for name, output in outputs.items():
            assert_parity(output[:, ::16], case.outputs[name])
            torch.testing.assert_close(
                [
                    output.mean().item(),
                    output.std().item(),
                    output.norm().item(),
                ],
                s['full_mean_std_l2'][name],
                rtol=1e-4,
                atol=1e-5 * output.std().item(),
            )


@pytest.mark.parametrize(
    'norm_cfg',
    [dict(type='BN', eps=1e-3, momentum=0.01), dict(type='GN', num_groups=2)],
)
def test_any_size(norm_cfg):
    decoder = build(norm_cfg=norm_cfg)
    used = set()
    for height, width in ((64, 96), (65, 97), (37, 120)):
        feats = features(height, width)
        mask_feature, memories = decoder(feats)
        maps = [mask_feature, *reversed(memories)]
        for i, (actual, feat) in enumerate(zip(maps, feats, strict=True)):
            assert actual.shape == (
                2,
                4 * BASE_CHANNELS[-1 - i],
                *feat.shape[-2:],
            )
        decoder.zero_grad()
        sum(x.square().mean() for x in maps).backward()
        used.update(
            name
            for name, param in decoder.named_parameters()
            if param.grad is not None
        )
    assert used == dict(decoder.named_parameters()).keys()


def test_init():
    """As in the reference; blocks are their shortcuts at first."""
    decoder = build(base_channels=(32, 24, 16, 8))
    for module in decoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert (module.eps, module.momentum) == (1e-3, 0.01)
    for name, param in decoder.named_parameters():
        if name.endswith('.bias'):
            assert not param.any(), name
        elif name.endswith('proj_out.bn.weight'):
            assert not param.any(), name
        elif param.ndim == 1:
            assert (param == 1).all(), name
        else:
            in_channels = param.shape[1]
            std = (
                1.0
                if '_rpe.' in name
                else in_channels**-0.5
                if '.qkv.' in name
                else (2 / in_channels) ** 0.5
            )
            assert param.abs().max() <= 2 * std, name
            torch.testing.assert_close(
                param.std().item(), 0.88 * std, rtol=0.2, atol=0, msg=name
            )
    before = {k: v.clone() for k, v in decoder.state_dict().items()}
    decoder.init_weights()  # MMEngine's, for a pre-trained file
    assert all(
        torch.equal(v, before[k]) for k, v in decoder.state_dict().items()
    )
    feats = features(64, 96)
    _, memories = decoder.eval()(feats)
    block = decoder.stages[0][0]
    normed = decoder.in_norms[0](feats[-1])
    expected = block.shortcut(nn.functional.gelu(normed))
    torch.testing.assert_close(memories[0], expected)


def test_images_are_independent():
    decoder = build().eval()
    for name, param in decoder.named_parameters():
        if name.endswith('proj_out.bn.weight'):
            nn.init.ones_(param)
    feats = features(65, 97, num_images=3)
    together = decoder(feats)[0]
    alone = torch.cat(
        [decoder([x[i : i + 1] for x in feats])[0] for i in range(3)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[0], together[1])


def test_drop_path_leaves_blocks_out():
    decoder = build(drop_path_rate=1 - 1e-7)
    for name, param in decoder.named_parameters():
        if name.endswith('proj_out.bn.weight'):
            nn.init.ones_(param)
    block = decoder.stages[1][1]
    x = torch.randn(4, 48, 5, 6)
    assert torch.equal(block(x), nn.functional.gelu(x))
    assert not torch.equal(block.eval()(x), nn.functional.gelu(x))


def test_errors():
    with pytest.raises(ValueError, match='num_blocks.* 4, 4, 3, 4'):
        build(num_blocks=(1, 5, 1))
    with pytest.raises(ValueError, match="'axail' is neither"):
        build(block_types=('axial', 'axail', 'bottleneck', 'bottleneck'))
    decoder = build(max_length=5).eval()
    decoder(features(65, 64))
    with pytest.raises(ValueError, match='width of a 5 x 6 .*max_length=5'):
        decoder(features(65, 81))
