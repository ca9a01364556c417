# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.layers import sine_positions

import pytest
import torch
from mmdet.models.layers import (
    SinePositionalEncoding,
    SinePositionalEncoding3D,
)

from tests.parity import assert_parity, load_case

CPU = torch.device('cpu')


def test_golden_positions():
    case = load_case('sine_positions', 'vps')
    num_feats = case.settings['num_pos_feats']
    for name, kind in (
        ('pos_2d', SinePositionalEncoding),
        ('pos_3d', SinePositionalEncoding3D),
    ):
        expected = case.outputs[name].movedim(-3, -1)[0]
        encoding = kind(num_feats, normalize=True)
        assert_parity(
            sine_positions(encoding, expected.shape[:-1], CPU), expected
        )
    case = load_case('a_pos3d')
    s = case.settings
    encoding = SinePositionalEncoding3D(s['num_feats'], normalize=True)
    shape = (s['frames'], s['height'], s['width'])
    assert_parity(
        sine_positions(encoding, shape, CPU),
        case.outputs['pos'][0].movedim(1, -1),
    )


@pytest.mark.parametrize('normalize', [True, False])
def test_equals_mmdets_modules(normalize):
    settings = dict(temperature=20, normalize=normalize, offset=-0.5)
    for kind, shape in (
        (SinePositionalEncoding, (25, 43)),
        (SinePositionalEncoding3D, (3, 7, 11)),
    ):
        encoding = kind(18, **settings)
        expected = encoding(torch.zeros((1, *shape), dtype=torch.bool))[0]
        actual = sine_positions(encoding, shape, CPU)
        assert torch.equal(actual, expected.movedim(-3, -1))
