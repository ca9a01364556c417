# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A process group of one rank: NCCL on a GPU, gloo on a CPU."""

import tempfile

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .checker import Checker
from .models import TINY
from .steps import gradients, make_step, make_trainer

BOUND = 1e-4


def run(check: Checker) -> None:
    """Check collectives, distributed gradients and synchronized norms."""
    backend = 'nccl' if check.is_cuda else 'gloo'
    if check.is_cuda:
        torch.cuda.set_device(check.device)
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group(
            backend, init_method=f'file://{folder}/store', rank=0, world_size=1
        )
        try:
            check.record('backend', value=dist.get_backend())
            _check_collectives(check)
            for kind in TINY:
                with check.guard(f'{kind}, distributed step'):
                    _check_step(check, kind)
            if check.is_cuda:  # It has no form for CPUs.
                _check_norm(check)
        finally:
            dist.destroy_process_group()


def _check_collectives(check: Checker) -> None:
    """Check the collectives that losses and metrics use."""
    x = torch.arange(5.0, device=check.device)
    summed = x.clone()
    dist.all_reduce(summed)
    gathered = [torch.empty_like(x)]
    dist.all_gather(gathered, x)
    shared = x.clone()
    dist.broadcast(shared, 0)
    dist.barrier()
    check.compare(
        'all_reduce, all_gather, broadcast',
        [summed, *gathered, shared],
        3 * [x],
        0.0,
    )


def _check_step(check: Checker, kind: str) -> None:
    """Compare the gradients of a distributed model with its own."""
    trainer = make_trainer(TINY[kind][0], check.device)
    _, expected = make_step(trainer)
    model = trainer.model
    parallel = DistributedDataParallel(
        model, device_ids=[check.device] if check.is_cuda else None
    )
    data = model.data_preprocessor(dict(trainer.batch), training=True)
    torch.manual_seed(0)
    total, _ = model.parse_losses(parallel(**data, mode='loss'))
    model.zero_grad()
    total.backward()
    check.compare(f'{kind}, gradients', gradients(model), expected, BOUND)


def _check_norm(check: Checker) -> None:
    """Compare a synchronized batch norm with a plain one."""
    norm = nn.BatchNorm2d(8).to(check.device)
    synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    x = torch.randn(2, 8, 5, 7, device=check.device)
    check.compare('SyncBatchNorm', synchronized(x), norm(x), BOUND)
