# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Optimizer, schedule and initial weights of the configs."""

import json
import logging
import re
from pathlib import Path

from projects.maxtron.engine.checkpoint import load_initial_weights

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint, save_checkpoint
from torch.nn import GroupNorm, LayerNorm
from torch.nn.modules.batchnorm import _BatchNorm

from tests.configs import BY_NAME, MASK2FORMER, learning_rates
from tests.configs import load as zoo
from tools.model_converters.reference_to_maxtron import convert_state_dict

CONFIGS = Path(__file__).parents[2] / 'configs'
PARITY = Path(__file__).parents[1] / 'data/parity/vis'
R50 = 'tube_link/ytvis21/tube-link_r50_8xb1-15k_youtube-vis-2021.py'
SWIN_L = 'tube_link/ytvis21/tube-link_swin-l_16xb1-10k_youtube-vis-2021.py'
R50_MAXTRON, SWIN_L_MAXTRON = (
    path.replace('tube_link/', 'maxtron/').replace(
        'tube-link_', 'maxtron-nearonline_tube-link_'
    )
    for path in (R50, SWIN_L)
)
NEW = r'level_3d_encoding|self_attn\.(gamma|temporal_layers)'


def load(path):
    return Config.fromfile(CONFIGS / path)


def expected_rule(name, module, swin, maxtron):
    """Learning rate and weight decay of a parameter in the reference."""
    norm = isinstance(module, (_BatchNorm, GroupNorm, LayerNorm))
    if name.startswith('backbone.'):
        plain = swin and (norm or 'relative_position_bias_table' in name)
        return 1e-5, 0.0 if plain else 0.05
    if re.search(r'\.(query_embed|query_feat|level_embed)\.', name):
        return 1e-5 if swin else 1e-4, 0.0
    if norm and not (maxtron and not swin and 'temporal_layers' in name):
        return 1e-4, 0.0
    return 1e-4, 0.05


@pytest.mark.slow
@pytest.mark.parametrize('path', [R50, SWIN_L, R50_MAXTRON, SWIN_L_MAXTRON])
def test_optimizer(path, build_meta):
    cfg = load(path)
    model = build_meta(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert wrapper.clip_grad_kwargs == dict(max_norm=0.01, norm_type=2)
    groups = wrapper.optimizer.param_groups
    params = dict(model.named_parameters())
    assert len(groups) == len(params)
    groups = {id(group['params'][0]): group for group in groups}
    swin, maxtron = 'swin-l' in path, 'maxtron' in path
    for name, param in params.items():
        assert param.requires_grad, name  # BN too
        group = groups[id(param)]
        assert group['betas'] == (0.9, 0.999) and group['eps'] == 1e-8
        module = model.get_submodule(name.rpartition('.')[0])
        np.testing.assert_allclose(
            (group['lr'], group['weight_decay']),
            expected_rule(name, module, swin, maxtron),
            rtol=1e-12,
            err_msg=name,
        )


@pytest.mark.parametrize(
    'path, milestones', [(R50, (5000, 10000)), (SWIN_L, (2500, 5000))]
)
def test_learning_rate_of_every_iteration(path, milestones):
    cfg = load(path)
    rates = 1e-4 * np.array(learning_rates(cfg))
    i = np.arange(cfg.train_cfg.max_iters)
    warm_up = 1 - (1 - np.minimum(i / 500, 1)) * (1 - 0.001)
    steps = sum(i >= milestone for milestone in milestones)
    np.testing.assert_allclose(rates, 1e-4 * warm_up * 0.1**steps, rtol=1e-12)


@pytest.mark.parametrize(
    'path, case',
    [
        (R50, 'baseline_r50'),
        (R50_MAXTRON, 'near_online_r50'),
        (SWIN_L_MAXTRON, 'near_online_swinl'),
    ],
)
def test_heads_are_those_of_the_reference(path, case, build_meta):
    """Names, shapes and the number of parameters."""
    reference = json.loads((PARITY / f'keys_{case}_ytvis21.json').read_text())
    converted = convert_state_dict(
        {
            name: torch.empty(shape, device='meta')
            for name, shape, _ in reference['keys']
        },
        prefix=reference['prefix_in_checkpoint'],
    )
    segmenter = build_meta(load(path).model).head.segmenter
    assert {k: v.shape for k, v in segmenter.state_dict().items()} == {
        k: v.shape for k, v in converted.items()
    }
    assert (
        sum(p.numel() for p in segmenter.parameters())
        == reference['num_parameters']
    )


def mapped(name):
    """Map the name of a tensor of MMDetection's Mask2Former."""
    return name.replace('panoptic_head.', 'head.segmenter.')


@pytest.fixture(scope='module')
def coco_checkpoint(tmp_path_factory):
    """Make a checkpoint of MMDetection's Mask2Former and the mapped names."""
    init_default_scope('mmdet')
    state = MODELS.build(
        get_config(
            'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'
        ).model
    ).state_dict()
    file = str(tmp_path_factory.mktemp('coco') / 'coco.pth')
    save_checkpoint(dict(meta=dict(), state_dict=state), file)
    return file, {mapped(k): v for k, v in state.items()}


@pytest.mark.slow
@pytest.mark.parametrize('path', [R50, R50_MAXTRON])
def test_coco_checkpoint_fills_all_but_new_modules(
    path, coco_checkpoint, caplog
):
    """Loading of a checkpoint of MMDetection's own model by load_from."""
    file, saved = coco_checkpoint
    model = MODELS.build(load(path).model)
    # half of the weights and more: enough to begin a training
    load_initial_weights(model, torch.load(file), file)
    state = model.state_dict()
    for value in state.values():
        value.fill_(float('nan') if value.is_floating_point() else -1)
    with caplog.at_level(logging.WARNING):
        load_checkpoint(model, file, logger=logging.getLogger())
    assert 'unexpected key' not in caplog.text
    assert caplog.text.count('size mismatch') == 2  # cls_embed
    new = {name for name in state if name not in saved}
    assert all(re.search(NEW, name) for name in new)
    assert bool(new) == ('maxtron' in path)
    missing = re.search(
        r'missing keys in source state_dict: (.*)', caplog.text
    )
    assert set(missing[1].split(', ') if missing else []) == new

    for name, value in state.items():
        if re.search(rf'{NEW}|\.cls_embed\.', name):
            assert value.isnan().all(), name
        else:
            assert torch.equal(value, saved[name]), name
    assert saved.keys() <= state.keys()


@pytest.mark.parametrize('backbone', ['swin-l', 'convnext-l', 'convnextv2-l'])
@pytest.mark.parametrize(
    'model', ['tube-link', 'maxtron-nearonline_tube-link']
)
def test_coco_models_fit(model, backbone, build_meta):
    """Weights of configs/tube_link/coco differ in their classes only.

    MMDetection's Swin-L has 200 queries instead of 100.
    """
    (source,) = (p for p in MASK2FORMER if f'_{backbone}_' in p)
    saved = {
        mapped(k): v.shape
        for k, v in build_meta(zoo(source).model).state_dict().items()
    }
    (name,) = (
        name
        for name in BY_NAME
        if name.startswith(f'{model}_{backbone}_')
        and name.endswith('youtube-vis-2021')
    )
    state = build_meta(zoo(name).model).state_dict()
    assert saved.keys() <= state.keys()
    unfit = {k for k, v in state.items() if saved.get(k) != v.shape}
    queries = ('query_embed.weight', 'query_feat.weight')
    assert {k for k in unfit if not re.search(NEW, k)} == {
        f'head.segmenter.{k}'
        for k in (
            *queries * (backbone == 'swin-l'),
            'cls_embed.weight',
            'cls_embed.bias',
        )
    }
