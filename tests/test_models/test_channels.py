# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""An error about wrong in_channels names the key."""

import pytest
import torch

from tests.models import build
from tests.offline import offline_cfg


@pytest.mark.parametrize('kind', ['vis', 'vps'])
def test_key_and_right_value_are_named(kind):
    cfg = offline_cfg(kind, 'nearonline')
    key, node = 'model.head.segmenter', cfg.head.segmenter
    if cfg.get('neck'):
        key, node = 'model.neck', cfg.neck
    right = list(node.in_channels)
    inputs = torch.rand(1, 2, 3, 64, 64)
    assert len(build(cfg).extract_feat(inputs)) == len(right)
    node.in_channels = wrong = [*right[:-1], right[-1] + 8]
    with pytest.raises(ValueError) as error:
        build(cfg).extract_feat(inputs)
    assert str(error.value).startswith(
        f'{key}.in_channels is {wrong}, but the features that come in have '
        f'{right} channels.'
    )


def test_segmenter_behind_a_neck():
    cfg = offline_cfg('vps', 'nearonline')
    assert cfg.neck is not None
    cfg.head.segmenter.in_channels = [8, 8, 8, 8]
    with pytest.raises(ValueError, match=r'segmenter.in_channels is \[8, 8,'):
        build(cfg).extract_feat(torch.rand(1, 2, 3, 64, 64))
