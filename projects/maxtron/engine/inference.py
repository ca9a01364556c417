# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Options that make inference faster and change its results a little."""

import argparse

import torch
from mmcv.cnn import fuse_conv_bn as fold_batch_norms
from torch import nn

from ..errors import InputError
from ..models.compilation import compile_parts

OPTIONS = dict(
    amp='compute the network in half precision: float16 on GPUs, bfloat16 '
    'on the CPU',
    channels_last='order the maps of convolutions pixel by pixel (always on '
    'CPUs, unless the network is compiled)',
    fuse_conv_bn='fold batch norms into the convolutions before them',
    compile='compile the network by torch.compile, which takes minutes for '
    'each size of frames',
)


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of :data:`OPTIONS`, such as ``--amp``."""
    group = parser.add_argument_group(
        'faster inference', 'Results change a little, see docs/inference.md.'
    )
    for name, text in OPTIONS.items():
        group.add_argument(
            f'--{name.replace("_", "-")}', action='store_true', help=text
        )


def chosen_options(args: argparse.Namespace) -> dict[str, bool]:
    """Return the arguments of :func:`optimize_inference`."""
    return {name: getattr(args, name) for name in OPTIONS}


def optimize_inference(
    model: nn.Module,
    amp: bool = False,
    channels_last: bool = False,
    fuse_conv_bn: bool = False,
    compile: bool = False,
) -> None:
    """Change a model for faster inference, in place.

    Args:
        model (nn.Module): A MaXTron with its weights.
        amp (bool): Whether its network computes in half precision. Defaults
            to False.
        channels_last (bool): Whether maps are stored pixel by pixel, which
            convolutions prefer. On a CPU they always are, unless the network
            is compiled. Defaults to False.
        fuse_conv_bn (bool): Whether batch norms are folded into convolutions.
            The model cannot be trained or saved afterwards. Defaults to
            False.
        compile (bool): Whether to compile the network, see
            :func:`compile_parts`. Defaults to False.

    Raises:
        InputError: If another model than a MaXTron would use half precision,
            or a compiler is missing.
    """
    is_maxtron = hasattr(model, 'amp')
    if amp and not is_maxtron:
        raise InputError(
            f'--amp is for MaXTron models, and this is a '
            f'{type(model).__name__}: leave it out, or set '
            'test_cfg.fp16=True of MMEngine.'
        )
    model.amp = amp
    if fuse_conv_bn:
        with torch.no_grad():
            fold_batch_norms(model.eval())
    if is_maxtron and not compile:
        channels_last |= next(model.parameters()).device.type == 'cpu'
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if compile:
        compile_parts(model, cuda_graphs=True)
