# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""All processes validate with the buffers of the first one."""

from types import SimpleNamespace

import projects.maxtron  # noqa: F401
from projects.maxtron.engine import BroadcastBuffersHook

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn


def validate(rank, folder):
    """Run the hook in one of two processes and save the model."""
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    for value in (*model.parameters(), *model.buffers()):
        value.data.fill_(rank + 1)
    BroadcastBuffersHook().before_val(SimpleNamespace(model=model))
    torch.save(model.state_dict(), f'{folder}/{rank}.pth')
    dist.destroy_process_group()


def test_buffers_are_those_of_the_first_process(tmp_path):
    # fork: the libraries need not be imported again
    mp.start_processes(
        validate, (str(tmp_path),), nprocs=2, start_method='fork'
    )
    states = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    buffers = {name for name, _ in nn.BatchNorm1d(3).named_buffers()}
    for key in states[0]:
        is_buffer = key.removeprefix('1.') in buffers
        assert (states[0][key] == 1).all()
        assert (states[1][key] == (1 if is_buffer else 2)).all(), key
