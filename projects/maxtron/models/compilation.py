# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compilation of the networks of a model by ``torch.compile``."""

import os
import shutil
from importlib.util import find_spec

from torch import nn

from ..errors import InputError


def compile_parts(model: nn.Module, cuda_graphs: bool = False) -> list[str]:
    """Compile the networks of a :class:`MaXTron`, in place.

    The backbone, the neck, the segmenter and the tracker each become one
    graph per size of their input. They are compiled when they first see a
    size, which takes minutes. Matching, losses and post-processing stay as
    they are. Parameters keep their names, so checkpoints stay compatible.

    Args:
        model (nn.Module): The model, on its device.
        cuda_graphs (bool): Whether the graphs of a model on a GPU are
            replayed as CUDA graphs (``mode='reduce-overhead'``), for
            inference. Defaults to False.

    Returns:
        list[str]: Names of the compiled parts.

    Raises:
        InputError: If PyTorch finds no compiler for the device, or the model
            is no MaXTron.
    """
    if not hasattr(model, 'extract_feat') or not hasattr(model, 'head'):
        raise InputError(
            f'Only MaXTron models can be compiled in parts, and this is a '
            f'{type(model).__name__}: leave compile out.'
        )
    device = next(model.parameters()).device.type
    _check_compiler(device)
    model.uses_cuda_graphs = cuda_graphs and device == 'cuda'
    mode = 'reduce-overhead' if model.uses_cuda_graphs else None
    parts = {
        'backbone': model.backbone,
        'neck': model.neck,
        'head.segmenter': model.head.segmenter,
        'head.tracker': model.head.tracker,
    }
    names = [name for name, part in parts.items() if part is not None]
    for name in names:
        if name == 'head.tracker':  # Videos differ in their number of clips.
            parts[name].compile()
        else:
            parts[name].compile(dynamic=False, mode=mode)
    return names


def _check_compiler(device: str) -> None:
    """Check that the compiler of PyTorch's default backend is installed.

    Raises:
        InputError: If it is missing.
    """
    if device == 'cuda' and find_spec('triton') is None:
        raise InputError(
            'compile needs Triton on a GPU, which is not installed. Run "pip '
            'install triton", or leave compile out.'
        )
    compiler = os.environ.get('CXX', 'g++')
    if device == 'cpu' and shutil.which(compiler) is None:
        raise InputError(
            f'compile needs a C++ compiler on a CPU, and there is no '
            f'{compiler}. Install g++, set CXX, or leave compile out.'
        )
