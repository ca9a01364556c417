# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401, before MMDetection

import pytest
import torch
from mmdet.registry import TASK_UTILS


def build(**kwargs):
    return TASK_UTILS.build(dict(type='GumbelPixelSampler', **kwargs))


def test_small_tubes_are_drawn_more_often():
    torch.manual_seed(0)
    # 900 pixels of a large tube, 90 of a small one and 10 of none
    areas = torch.tensor([900.0] * 900 + [90.0] * 90 + [1.0] * 10)
    logits = (1000 / areas).log().expand(400, -1)
    is_void = torch.arange(1000).ge(990).expand(400, -1)
    for temperature, share in ((1.0, 0.5), (0.0, 1 / 11)):
        pixels = build(num_points=2, temperature=temperature).sample(
            logits, is_void
        )
        assert (pixels < 990).all()
        # the standard deviation of the share of 800 draws is 0.018 or less
        assert abs((pixels >= 900).float().mean() - share) < 0.06


def test_void_fills_up_and_nothing_is_drawn_twice():
    torch.manual_seed(0)
    logits, is_void = torch.zeros(3, 50), torch.arange(50).expand(3, -1) >= 20
    pixels = build(num_points=30).sample(logits, is_void)
    for drawn in pixels.tolist():
        assert len(set(drawn)) == 30
        assert set(range(20)) < set(drawn)
    assert build(num_points=80).sample(logits, is_void).shape == (3, 50)


def test_rejects_no_points():
    with pytest.raises(ValueError, match='num_points=0'):
        build(num_points=0)
