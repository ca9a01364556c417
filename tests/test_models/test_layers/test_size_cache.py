# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.models.layers import SizeCache

import torch


def test_keeps_the_last_results():
    calls = []

    def make(*sizes):
        calls.append(sizes)
        return torch.ones(sizes)

    cache = SizeCache(make, max_entries=2)
    with torch.inference_mode():
        first = cache(1, 2)
    assert cache(1, 2) is first and cache(2, 1).shape == (2, 1)
    cache(3, 3)  # in place of the oldest
    cache(2, 1)
    assert calls == [(1, 2), (2, 1), (3, 3)]
    assert cache(1, 2) is not first

    # training may save what inference mode has made
    weight = torch.ones(1, 2, requires_grad=True)
    (weight * first).sum().backward()
    assert weight.grad.tolist() == [[1, 1]]
