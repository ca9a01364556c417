# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from argparse import ArgumentParser

from projects.maxtron.engine import (
    add_inference_options,
    chosen_options,
    optimize_inference,
)
from projects.maxtron.errors import InputError

import pytest
from torch import nn


def test_options():
    parser = ArgumentParser()
    add_inference_options(parser)
    options = chosen_options(parser.parse_args(['--amp', '--fuse-conv-bn']))
    assert options == dict(
        amp=True, channels_last=False, fuse_conv_bn=True, compile=False
    )
    with pytest.raises(InputError, match='--amp is for MaXTron models'):
        optimize_inference(nn.Conv2d(1, 1, 1), **options)
