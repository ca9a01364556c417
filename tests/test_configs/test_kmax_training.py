# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Optimizer, schedule and weights of the configs of (Video-)kMaX."""

import copy
import gzip
import json
import re

from projects.maxtron.engine import WarmupPolyLR
from projects.maxtron.engine.checkpoint import load_initial_weights

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from tests.configs import learning_rates
from tests.models import ROOT
from tests.parity import DATA
from tools.model_converters.reference_to_maxtron import convert_state_dict
from tools.model_converters.rules import vps

MAXTRON = 'maxtron/vipseg/maxtron-nearonline_video-kmax_{}_vipseg.py'
KMAX = 'kmax/coco/{}_8xb8-150k_coco-panoptic.py'
REFERENCE = {
    'r50': 'r50',
    'convnext-l': 'convnext_large',
    'convnextv2-l': 'convnextv2_large',
}
# Stages: within-clip (near-online) and cross-clip (offline).
TRAINED = [*(('wc', backbone) for backbone in REFERENCE), ('cc', 'r50')]


def load(path):
    return Config.fromfile(ROOT / 'configs' / path)


OFFLINE = 'maxtron/vipseg/maxtron-offline_video-kmax_r50_16xb1-15k_vipseg.py'


def load_maxtron(backbone):
    iters = '40k' if backbone == 'r50' else '30k'
    return load(MAXTRON.format(f'{backbone}_8xb4-{iters}'))


def load_trained(stage, backbone):
    """Load a config, and the reference's optimizer and schedule for it."""
    cfg = load_maxtron(backbone) if stage == 'wc' else load(OFFLINE)
    return cfg, golden(f'optimizer_maxtron_{stage}_{REFERENCE[backbone]}')


def golden(name):
    path = DATA / f'vps/keys/{name}.json.gz'
    return json.loads(gzip.decompress(path.read_bytes()))


def param_rules(model, optim_wrapper):
    """Find (learning rate, weight decay) of each parameter by name."""
    cfg = copy.deepcopy(optim_wrapper)
    assert cfg.pop('type') == 'AmpOptimWrapper'  # requires a GPU
    optimizer = build_optim_wrapper(model, cfg).optimizer
    assert all(
        group['betas'] == (0.9, 0.999) and group['eps'] == 1e-8
        for group in optimizer.param_groups
    )
    names = {param: name for name, param in model.named_parameters()}
    return {
        names[param]: (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for param in group['params']
    }


@pytest.mark.slow
@pytest.mark.parametrize('stage, backbone', TRAINED)
def test_optimizer_is_that_of_the_reference(stage, backbone, build_meta):
    """Compare all trained parameters by their converted names."""
    cfg, expected = load_trained(stage, backbone)
    lr = expected['base_lr']
    rules = {}
    for name, mult, decay in expected[
        'groups_[name,lr_multiplier,weight_decay]'
    ]:
        name = re.sub(r'_attn\.[qkv]\.', '_attn.qkv.', vps.rename(name))
        # q, k and v, which are one here, agree
        assert rules.setdefault(name, (lr * mult, decay)) == (lr * mult, decay)
    model = build_meta(cfg.model)
    actual = param_rules(model, cfg.optim_wrapper)
    assert {
        name for name, param in model.named_parameters() if param.requires_grad
    } == rules.keys()
    for name, rule in rules.items():
        assert actual[name] == pytest.approx(rule, rel=1e-12), name


def test_optimizer_of_images_and_of_swin(build_meta):
    cfg = load(KMAX.format('kmax-msda_swin-l'))
    rules = param_rules(build_meta(cfg.model), cfg.optim_wrapper)
    for name, (lr, decay) in rules.items():
        assert lr == pytest.approx(
            5e-5 if name.startswith('backbone') else 5e-4
        ), name
        plain = re.search(r'bias|norm|bn\.|\.gn\.|_rpe|cluster_centers', name)
        assert decay == (0 if plain else 0.05), name


@pytest.mark.slow
@pytest.mark.parametrize('stage, backbone', TRAINED)
def test_learning_rate_of_every_iteration(stage, backbone):
    """Compare with the formula and the reference's scheduler."""
    cfg, expected = load_trained(stage, backbone)
    n, warm_up = expected['max_iter'], expected['warmup_iters']
    assert cfg.train_cfg.max_iters == n
    factors = learning_rates(cfg)
    t = np.arange(n)
    formula = np.where(
        t < warm_up,
        0.001 * (1 - t / warm_up) + t / warm_up,
        (1 - t / n) ** 0.9,
    )
    np.testing.assert_allclose(factors, formula, rtol=1e-12)
    for step, factor in expected['schedule_factor'].items():
        assert factors[int(step)] == pytest.approx(factor, rel=1e-12)


def test_schedule_goes_on_after_a_resume():
    """In the middle of the warm-up, with two parameter groups."""

    def make():
        optimizer = torch.optim.SGD(
            [dict(params=[torch.zeros(1)], lr=lr) for lr in (1.0, 0.1)]
        )
        return optimizer, WarmupPolyLR(
            optimizer, end=40, warmup_iters=10, by_epoch=False
        )

    def run(optimizer, scheduler, steps):
        rates = []
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
            rates.append([g['lr'] for g in optimizer.param_groups])
        return rates

    first = make()
    rates = run(*first, 5)
    second = make()
    for new, old in zip(second, first):
        new.load_state_dict(old.state_dict())
    rates += run(*second, 40)
    np.testing.assert_array_equal(rates, run(*make(), 45))
    assert rates[-1] == rates[38]  # constant after the end of the schedule
    np.testing.assert_allclose(*np.transpose(rates) * [[0.1], [1]])


def test_wrong_warm_up():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    with pytest.raises(ValueError, match='warmup_iters=5 .* 5 steps'):
        WarmupPolyLR(optimizer, end=5, warmup_iters=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, name',
    [
        ('kmax_r50', 'kmax_r50'),
        ('kmax-msda_r50', 'kmax_wc_r50'),
        ('kmax-msda_convnext-l', 'kmax_wc_convnext_large'),
        ('kmax-msda_convnextv2-l', 'kmax_wc_convnextv2_large'),
    ],
)
def test_image_models_are_those_that_video_models_start_from(
    config, name, build_meta
):
    """Compare names and shapes, and the weights that a video model loads."""
    state = {
        key: torch.empty(shape, device='meta')
        for key, shape, _ in golden(name)['keys']
    }
    image = {k: v.shape for k, v in convert_state_dict(state).items()}
    model = build_meta(load(KMAX.format(config)).model)
    assert {k: v.shape for k, v in model.state_dict().items()} == image
    if '_wc_' not in name:
        return
    video = build_meta(load_maxtron(config.split('_')[1]).model)
    load_initial_weights(video, dict(state_dict=model.state_dict()), config)
    shapes = {k: v.shape for k, v in video.state_dict().items()}
    assert image.keys() <= shapes.keys()
    assert all(
        re.match(r'neck\.(level_3d|encoder\.layers\.\d\.temporal)', key)
        for key in shapes.keys() - image.keys()
    )
    unfit = {key for key in image if image[key] != shapes[key]}
    assert unfit and all(
        re.search(r'\.(cls_embed|conv_seg)\.conv\.', key) for key in unfit
    )
