# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""All processes validate with the buffers of the first one."""

from types import SimpleNamespace

import projects.maxtron  # noqa: F401
from projects.maxtron.engine import BroadcastBuffersHook

import pytest
import torch
from torch import nn

from tests.processes import run_ranks


def validate(rank, folder):
    """Run the hook in one of two processes and save the model."""
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    for value in (*model.parameters(), *model.buffers()):
        value.data.fill_(rank + 1)
    BroadcastBuffersHook().before_val(SimpleNamespace(model=model))
    torch.save(model.state_dict(), f'{folder}/{rank}.pth')


@pytest.mark.slow
def test_buffers_are_those_of_the_first_process(tmp_path):
    run_ranks(validate, tmp_path)
    states = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    buffers = {name for name, _ in nn.BatchNorm1d(3).named_buffers()}
    for key in states[0]:
        is_buffer = key.removeprefix('1.') in buffers
        assert (states[0][key] == 1).all()
        assert (states[1][key] == (1 if is_buffer else 2)).all(), key
