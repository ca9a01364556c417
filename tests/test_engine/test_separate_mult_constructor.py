# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine import SeparateMultOptimWrapperConstructor
from projects.maxtron.errors import InputError

import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn


def rules(custom_keys, freeze=False, **paramwise_cfg):
    """(learning rate, weight decay) of each parameter of a small model."""
    init_default_scope('mmdet')
    model = nn.ModuleDict(
        dict(
            backbone=nn.Sequential(
                nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
            ),
            head=nn.ModuleDict(
                dict(cls=nn.Linear(4, 2), norm=nn.LayerNorm(2))
            ),
        )
    )
    model['head']['cls'].bias.requires_grad = not freeze
    optimizer = build_optim_wrapper(
        model,
        dict(
            constructor=SeparateMultOptimWrapperConstructor.__name__,
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=1.0),
            paramwise_cfg=dict(custom_keys=custom_keys, **paramwise_cfg),
        ),
    )
    names = {param: name for name, param in model.named_parameters()}
    settings = [
        (group['lr'], group['weight_decay'])
        for group in optimizer.optimizer.param_groups
    ]
    assert len(settings) == len(set(settings))
    return {
        names[param]: (group['lr'], group['weight_decay'])
        for group in optimizer.optimizer.param_groups
        for param in group['params']
    }


def test_learning_rate_and_decay_are_looked_up_apart():
    result = rules(
        {
            'backbone': dict(lr_mult=0.1),
            'backbone.2': dict(decay_mult=0.5),
            'head.*.weight': dict(lr_mult=2.0),
            'head.norm': dict(lr_mult=3.0, decay_mult=4.0),
        },
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    )
    assert result == {
        'backbone.0.weight': (0.1, 1.0),
        'backbone.0.bias': (0.1, 0.0),
        'backbone.1.weight': (0.1, 0.0),
        'backbone.1.bias': (0.1, 0.0),
        'backbone.2.weight': (0.1, 0.5),  # two keys, one of each kind
        'backbone.2.bias': (0.1, 0.5),
        'head.cls.weight': (2.0, 1.0),
        'head.cls.bias': (1.0, 0.0),
        'head.norm.weight': (2.0, 4.0),  # the longer key
        'head.norm.bias': (3.0, 4.0),
    }


def test_frozen_parameters_are_left_out():
    result = rules({'backbone': dict(lr_mult=0.1)}, freeze=True)
    assert 'head.cls.bias' not in result
    assert result['backbone.1.bias'] == pytest.approx((0.1, 1.0))
    assert len(result) == 9


def test_layer_decay_needs_a_backbone_with_layers():
    with pytest.raises(InputError, match='layer_decay is for a backbone'):
        rules({}, layer_decay=0.8)
