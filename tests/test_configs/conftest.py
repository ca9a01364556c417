# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the tests of the configs share."""

from copy import deepcopy

import pytest
import torch
from mmengine.registry import init_default_scope
from torch.overrides import TorchFunctionMode

import projects.maxtron  # noqa: F401  isort: skip
from mmdet.registry import MODELS  # isort: skip


class _LinspaceOnCpu(TorchFunctionMode):
    """Swin reads its drop rates off a tensor, which must hold values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Look types up in MMDetection, as default_scope does in a run."""
    init_default_scope('mmdet')


@pytest.fixture
def build_meta():
    """Build a model of any size without memory for its parameters."""

    def build(model_cfg):
        with torch.device('meta'), _LinspaceOnCpu():
            return MODELS.build(deepcopy(model_cfg))

    return build
