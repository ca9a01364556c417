# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine.checkpoint_report import new_modules

from torch import nn


def test_largest_new_modules_are_named():
    inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model = nn.Sequential(nn.Linear(2, 2), inner, nn.BatchNorm1d(2))
    new = ['0.bias', '1.1.weight', '1.1.bias', '2.weight', '2.bias']
    new += ['2.running_mean', '2.running_var']
    assert new_modules(model, new) == ['0.bias', '1.1', '2']
