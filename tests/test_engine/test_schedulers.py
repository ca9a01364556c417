# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine.schedulers import WarmupPolyLR

import pytest
import torch


def rates(num_steps, **kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = WarmupPolyLR(optimizer, **kwargs)
    values = []
    for _ in range(num_steps):
        values.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return values, scheduler


def test_linear_warmup_then_decay_from_the_first_step():
    values, scheduler = rates(
        5, end=5, warmup_iters=2, power=2.0, warmup_factor=0.5
    )
    # 2 * (0.5, 0.75), then 2 * (1 - t / 5)**2
    assert values == pytest.approx([1.0, 1.5, 0.72, 0.32, 0.08])
    assert scheduler.by_epoch


def test_decay_without_warmup():
    values, _ = rates(2, end=4)
    assert values == pytest.approx([2.0, 2 * 0.75**0.9])


@pytest.mark.parametrize('warmup_iters', [-1, 4, 5])
def test_warmup_that_does_not_fit(warmup_iters):
    with pytest.raises(ValueError, match='does not fit into .* of 4 steps'):
        rates(1, begin=1, end=5, warmup_iters=warmup_iters)
