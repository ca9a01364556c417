# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Learning rate and weight decay of all parameters, for all configs.

Parameters are counted by group, so that a rule that matches too many or too
few changes a count. Other files of this folder compare released settings with
golden lists, parameter by parameter.
"""

import copy
import re
from collections import Counter

import pytest
from mmengine.optim import build_optim_wrapper
from torch.nn import GroupNorm, LayerNorm
from torch.nn.modules.batchnorm import _BatchNorm

from tests.configs import ZOO, load

pytestmark = pytest.mark.slow

NORMS = (_BatchNorm, GroupNorm, LayerNorm)


def kind(path):
    """Return the settings of model and optimizer except data and classes."""
    name = path.rpartition('/')[2]
    backbones = 'r50|swin-l|convnext-l|convnextv2-l|dinov[23]-[bl]'
    return re.match(rf'(.+_(?:{backbones}))_', name)[1]


KINDS = {}
for _path in ZOO:
    if 'ablations' not in _path:
        KINDS.setdefault(kind(_path), []).append(_path)


@pytest.mark.parametrize('name', KINDS)
def test_data_does_not_change_the_optimizer(name):
    first, *others = (load(path).optim_wrapper for path in KINDS[name])
    assert all(other == first for other in others)


def kmax_decay(name, module, backbone):
    """Weight decay."""
    norm = isinstance(module, NORMS)
    if (
        norm
        and backbone == 'convnextv2-l'
        and re.match(r'backbone\..*\.weight$', name)
    ):
        return 0.05  # as in the reference, which does not recognise this norm
    plain = r'bias|gamma|_rpe|cluster_centers'
    return 0 if norm or re.search(plain, name) else 0.05


def kmax_lr(name, image):
    """Multiple of the learning rate."""
    if name.startswith('backbone.'):
        return 0.1
    if image:
        return 1
    if '.temporal_layers.' in name:
        return 2
    heads = r'\.(cls_proj|mask_proj|cls_embed|mask_embed|mask_norm)\.'
    return 0.1 if re.search(heads, name) else 1


def tube_link_rule(name, module, backbone, maxtron):
    """Multiple of the learning rate, and weight decay."""
    norm = isinstance(module, NORMS)
    query = re.search(r'\.(query_embed|query_feat|level_embed)\.', name)
    in_backbone = name.startswith('backbone.')
    if backbone.startswith('convnext'):  # settings of this project
        plain = norm or query or re.search('bias|gamma|beta', name)
        return 0.1 if in_backbone else 1, 0 if plain else 0.05
    swin = backbone == 'swin-l'
    if in_backbone:
        plain = swin and (norm or 'relative_position_bias_table' in name)
        return 0.1, 0 if plain else 0.05
    if query:
        return 0.1 if swin else 1, 0
    if norm and not (maxtron and not swin and 'temporal_layers' in name):
        return 1, 0
    return 1, 0.05


def vit_rule(name, module):
    """Multiple of the learning rate, and weight decay."""
    plain = (
        r'bias|gamma|_rpe|cluster_centers|(query|level)_embed\.|query_feat'
        r'|lambda1|_token|position_embeddings'
    )
    norm = isinstance(module, NORMS)
    return 1, 0 if norm or re.search(plain, name) else 0.05


# The rules name no layers, so the largest transformer is enough.
COUNTED = [name for name in KINDS if not re.search('_dinov2-', name)]


@pytest.mark.parametrize('name', COUNTED)
def test_parameters_are_counted(name, build_meta):
    cfg = load(KINDS[name][0])
    model = build_meta(cfg.model)
    wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrapper.type = 'OptimWrapper'  # AMP requires a GPU
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    trained = {p: n for n, p in model.named_parameters() if p.requires_grad}
    lr, backbone = wrapper.optimizer.lr, name.rpartition('_')[2]
    expected, actual = Counter(), Counter()
    for group, param in ((g, p) for g in groups for p in g['params']):
        if param not in trained:
            continue
        key = trained.pop(param)
        module = model.get_submodule(key.rpartition('.')[0])
        if backbone.startswith('dino'):
            mult, decay = vit_rule(key, module)
        elif 'tube-link' in name:
            mult, decay = tube_link_rule(
                key, module, backbone, 'maxtron' in name
            )
        else:
            mult = kmax_lr(key, name.startswith('kmax'))
            decay = kmax_decay(key, module, backbone)
        expected[round(mult, 9), decay] += param.numel()
        actual[round(group['lr'] / lr, 9), group['weight_decay']] += (
            param.numel()
        )
    assert not trained  # All trained parameters are in a group.
    assert actual == expected
