# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Backbones of transformers give the features of transformers' own models."""

import builtins
import re

from projects.maxtron.engine import SeparateMultOptimWrapperConstructor
from projects.maxtron.errors import InputError
from projects.maxtron.models.backbones import TransformersBackbone

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from tests.huggingface import import_transformers
from tests.models import build, model_cfg

transformers = import_transformers()

VIT = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
DINO = dict(VIT, mlp_ratio=2, image_size=56, patch_size=14)
PLAIN = {
    'dinov2': DINO,
    'dinov2_with_registers': DINO,
    'dinov3_vit': dict(VIT, intermediate_size=32, patch_size=16),
    'vit': dict(VIT, intermediate_size=32, image_size=64, patch_size=16),
    'vit_mae': dict(VIT, intermediate_size=32, image_size=64, patch_size=16),
}
STAGES = {
    'swinv2': dict(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
    ),
    'pvt_v2': dict(
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
    ),
    'convnextv2': dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
    'dinov3_convnext': dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
}
HIERA = dict(
    embed_dim=8,
    depths=[1, 1, 2, 1],
    num_heads=[1, 1, 2, 2],
    image_size=(64, 64),
)
FAMILIES = PLAIN | STAGES | dict(hiera=HIERA)
SIZE = 75, 107  # no multiple of anything


def make(model_type, **kwargs):
    torch.manual_seed(0)
    arguments = FAMILIES[model_type]
    if model_type in PLAIN:
        kwargs.setdefault('pyramid', dict(out_channels=8))
        kwargs['pyramid'].setdefault('type', 'SimpleFeaturePyramid')
    return TransformersBackbone(
        dict(model_type=model_type, **arguments), **kwargs
    )


def image(*size):
    return torch.randn(2, 3, *size, generator=torch.manual_seed(1))


@pytest.mark.parametrize('model_type', FAMILIES)
def test_levels_of_any_size(model_type):
    backbone = make(model_type).eval()
    with torch.no_grad():
        levels = backbone(image(*SIZE))
    assert [x.shape[2:] for x in levels] == [
        (19, 27),
        (10, 14),
        (5, 7),
        (3, 4),
    ]
    assert all(x.isfinite().all() and x.std() > 0 for x in levels)


@pytest.mark.parametrize('model_type', STAGES)
def test_stages_are_those_of_the_library(model_type):
    backbone = make(model_type).eval()
    own = transformers.AutoBackbone.from_config(backbone.model.config).eval()
    own.load_state_dict(backbone.model.state_dict())
    x = image(*SIZE)
    with torch.no_grad():
        levels = backbone(x)
        expected = own(F.pad(x, (0, 21, 0, 21))).feature_maps  # 96 x 128
    for level, whole in zip(levels, expected, strict=True):
        height, width = level.shape[2:]
        torch.testing.assert_close(
            level, whole[..., :height, :width], atol=1e-5, rtol=0
        )


@pytest.mark.parametrize('model_type', PLAIN)
def test_plain_map_is_that_of_the_library(model_type, monkeypatch):
    backbone = make(model_type).eval()
    patch = backbone.patch_size
    seen = []
    monkeypatch.setattr(
        backbone.pyramid, 'forward', lambda x, *_: seen.append(x) or []
    )
    x = image(80, 96)
    with torch.no_grad():
        backbone(x)
        x = F.interpolate(x, (5 * patch, 6 * patch), mode='bilinear')
        if model_type == 'vit_mae':
            noise = torch.arange(30).float().expand(2, -1)
            expected = backbone.model(
                x, noise=noise, interpolate_pos_encoding=True
            ).last_hidden_state
        else:
            own = transformers.AutoModel.from_config(backbone.model.config)
            own.load_state_dict(backbone.model.state_dict())
            options = (
                dict(interpolate_pos_encoding=True)
                if model_type == 'vit'
                else {}
            )
            expected = own.eval()(x, **options).last_hidden_state
    (found,) = seen
    torch.testing.assert_close(
        found.flatten(2).transpose(1, 2), expected[:, -30:], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize('size', [(64, 64), (96, 128)])
def test_hiera_is_that_of_the_library(size):
    """Compare with a model whose configuration has the size of the image."""
    backbone = make('hiera').eval()
    embeddings = backbone.model.embeddings
    torch.nn.init.normal_(embeddings.position_embeddings)
    x = image(*size)
    own = transformers.HieraModel(
        transformers.HieraConfig(**dict(HIERA, image_size=size))
    ).eval()
    with torch.no_grad():
        patches, *_ = embeddings.patch_embeddings(x)
        positions = embeddings.interpolate_pos_encoding(
            patches, embeddings.position_embeddings, *size
        )
        own.load_state_dict(
            {
                **backbone.model.state_dict(),
                'embeddings.position_embeddings': positions,
            }
        )
        levels = backbone(x)
        _, *expected = own(x, output_hidden_states=True).reshaped_hidden_states
    for level, whole in zip(levels, expected, strict=True):
        torch.testing.assert_close(
            level, whole.permute(0, 3, 1, 2), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize('model_type', FAMILIES)
def test_learning_rates_decay_by_layer(model_type):
    """Each trained parameter has a rate, by its name, and a gradient.

    The position embeddings of ViT-MAE are not trained.
    """
    init_default_scope('mmdet')
    model = nn.ModuleDict(
        dict(backbone=make(model_type), head=nn.Linear(1, 1))
    )
    wrapper = build_optim_wrapper(
        model,
        dict(
            constructor=SeparateMultOptimWrapperConstructor.__name__,
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=1.0),
            paramwise_cfg=dict(
                layer_decay=0.5,
                norm_decay_mult=0.0,
                custom_keys=dict(
                    embeddings=dict(lr_mult=3.0), head=dict(lr_mult=0.1)
                ),
            ),
        ),
    )
    found = {
        param: group['lr']
        for group in wrapper.optimizer.param_groups
        for param in group['params']
    }
    sum(x.square().mean() for x in model.backbone(image(64, 64))).backward()
    num_layers = 2 if model_type in PLAIN else 4
    for name, param in model.named_parameters():
        if not param.requires_grad:
            assert re.search(r'mask_token|\.pooler\.|position', name)
            continue
        layer = re.search(r'(?:layers?|stages)\.(\d)\.', name)
        rate = 1.0
        if name.startswith('head'):
            rate = 0.1
        elif layer and '.pyramid.' not in name:
            rate = 0.5 ** (num_layers - int(layer[1]))
        elif 'embeddings.' in name:
            rate = 0.5 ** (num_layers + 1)
        rate *= 3 if 'embeddings.' in name else 1
        assert found[param] == rate, name
        assert (param.grad is None) == name.startswith('head'), name


def test_near_online_model_on_it():
    cfg = model_cfg(in_channels=[8] * 4)
    cfg.backbone = dict(
        type='TransformersBackbone',
        config=dict(model_type='dinov2', **DINO),
        pyramid=dict(type='SimpleFeaturePyramid', out_channels=8),
        frozen=True,
    )
    model = build(cfg)
    with torch.no_grad():
        clip = model.forward_clips(image(*SIZE)[None])
    assert clip.mask_logits.shape[2:] == (2, 19, 27)
    assert clip.mask_logits.isfinite().all()


def test_frozen_backbone_does_not_change():
    backbone = make('dinov2', frozen=True).train()
    assert backbone.training and not backbone.model.training
    before = {k: v.clone() for k, v in backbone.model.state_dict().items()}
    optimizer = torch.optim.SGD(
        [p for p in backbone.parameters() if p.requires_grad], 1.0
    )
    sum(x.square().mean() for x in backbone(image(64, 64))).backward()
    optimizer.step()
    for key, value in backbone.model.state_dict().items():
        assert value.equal(before[key]), key
    assert all(p.grad is not None for p in backbone.pyramid.parameters())


@pytest.mark.parametrize('model_type', ['dinov2', 'swinv2'])
def test_checkpointing_keeps_the_gradients(model_type):
    gradients = []
    for with_cp in (False, True):
        backbone = make(model_type, with_cp=with_cp).train()
        x = image(64, 64)
        sum(y.square().mean() for y in backbone(x)).backward()
        gradients.append([p.grad for p in backbone.model.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)


def test_half_precision():
    full, half = (make('dinov2', dtype=x).eval() for x in (None, 'bfloat16'))
    with torch.no_grad():
        a, b = (backbone(image(64, 64))[0] for backbone in (full, half))
    assert b.dtype == torch.float32 and not a.equal(b)
    torch.testing.assert_close(a, b, atol=0.1, rtol=0.1)


def test_spatial_prior_begins_with_no_effect():
    plain = make('vit').eval()
    pyramid = dict(out_channels=8, spatial_prior=True, prior_channels=4)
    prior = make('vit', pyramid=pyramid).eval()
    prior.load_state_dict(plain.state_dict(), strict=False)
    x = image(*SIZE)
    with torch.no_grad():
        for a, b in zip(plain(x), prior(x), strict=True):
            assert a.equal(b)
        prior.pyramid.prior.projections[0].bias += 1
        assert prior(x)[0].allclose(plain(x)[0] + 1)


def test_weights_of_a_folder(tmp_path):
    source = make('dinov2')
    source.model.save_pretrained(tmp_path / 'weights')
    with torch.no_grad():
        source.model.embeddings.cls_token += 1
    backbone = make('dinov2', weights=str(tmp_path / 'weights'))
    with torch.no_grad():
        for parameter in backbone.model.parameters():
            parameter.zero_()
    backbone.init_weights()
    expected = make('dinov2').model.state_dict()
    for key, value in backbone.model.state_dict().items():
        assert value.equal(expected[key]), key
    backbone = make('dinov2', weights=str(tmp_path / 'absent'))
    with pytest.raises(InputError, match='backbone.weights=.* cannot be load'):
        backbone.init_weights()


@pytest.mark.parametrize(
    'config, words',
    [
        (dict(model_type='dinov22'), "'dinov22', which .* mean dinov2"),
        (dict(), 'model_type is None'),
        (dict(model_type='dinov2', depth=3), 'config has depth, which Dinov2'),
        (dict(model_type='bert'), 'bert .* is neither a backbone'),
    ],
)
def test_wrong_configs(config, words):
    with pytest.raises(InputError, match=words):
        TransformersBackbone(config)


def test_pyramid_of_stages_is_refused():
    with pytest.raises(InputError, match='swinv2 has stages'):
        make('swinv2', pyramid=dict(type='SimpleFeaturePyramid'))


def test_without_the_package(monkeypatch):
    load = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == 'transformers':
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(InputError, match='requirements/transformers.txt'):
        make('dinov2')
