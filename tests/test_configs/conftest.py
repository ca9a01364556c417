# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Fixtures of the tests of the configs."""

import gc
from copy import deepcopy

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch.overrides import TorchFunctionMode

from tests.huggingface import import_transformers

import projects.maxtron  # noqa: F401  isort: skip
from mmdet.registry import MODELS  # isort: skip


class _LinspaceOnCpu(TorchFunctionMode):
    """Swin reads its drop rates from a tensor, which must hold values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Look types up in MMDetection, as default_scope does in a run."""
    init_default_scope('mmdet')


@pytest.fixture(autouse=True)
def quiet():
    """Keep MMEngine from logging the rule of every single parameter."""
    MMLogger.get_current_instance().setLevel('ERROR')


_models = {}


@pytest.fixture(scope='session')
def build_meta():
    """Build a model of any size without memory for its parameters.

    Equal configs share a model, so tests must leave it as it is.
    """

    def build(model_cfg):
        fingerprint = repr(model_cfg)
        if fingerprint not in _models:
            if model_cfg.backbone.type == 'TransformersBackbone':
                import_transformers()
            with torch.device('meta'), _LinspaceOnCpu():
                _models[fingerprint] = MODELS.build(deepcopy(model_cfg))
            gc.freeze()  # it stays: collections need not visit it
        return _models[fingerprint]

    return build
