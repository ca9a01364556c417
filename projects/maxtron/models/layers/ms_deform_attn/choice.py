# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Choice of the implementation of multi-scale deformable attention."""

import importlib.util
import os

import torch

from ...._mmcv_lite import has_compiled_operators
from ....errors import InputError

IMPLEMENTATIONS = ('auto', 'triton', 'torch', 'mmcv')
VARIABLE = 'MAXTRON_MSDA'
MAX_TRITON_LEVELS = 4

# All are looked up once, because torch.compile cannot trace these calls.
_FROM_ENVIRONMENT = os.environ.get(VARIABLE) or 'auto'
_INTERPRETS_TRITON = os.environ.get('TRITON_INTERPRET') == '1'
_HAS_TRITON = importlib.util.find_spec('triton') is not None
_HAS_MMCV = has_compiled_operators()
# PyTorch 2.4 knows no more than whether an ONNX export is active.
_is_exporting = getattr(
    torch.compiler, 'is_exporting', torch.onnx.is_in_onnx_export
)


def check_implementation(name: str | None) -> str:
    """Check that an implementation exists and is installed.

    Args:
        name (str, optional): One of :data:`IMPLEMENTATIONS`. None: the value
            of the environment variable ``MAXTRON_MSDA``, or else 'auto'.

    Returns:
        str: The name.

    Raises:
        InputError: If the name is unknown or its package is missing.
    """
    source = 'implementation' if name else VARIABLE
    name = name or _FROM_ENVIRONMENT
    if name not in IMPLEMENTATIONS:
        raise InputError(
            f'{source}={name!r} of the deformable attention is unknown. '
            f'Choose one of {", ".join(IMPLEMENTATIONS)}.'
        )
    if name == 'triton' and not _HAS_TRITON:
        raise InputError(
            f'{source}={name!r}: Triton is not installed. Run "pip install '
            'triton", or choose another implementation of the deformable '
            'attention.'
        )
    if name == 'mmcv' and not _HAS_MMCV:
        raise InputError(
            f'{source}={name!r}: the installed MMCV is mmcv-lite, which has '
            'no compiled operators. Run "mim install onedl-mmcv", or choose '
            'another implementation of the deformable attention.'
        )
    return name


def choose_implementation(
    device: str, num_levels: int, name: str | None = None
) -> str:
    """Choose the implementation for tensors on a device.

    'auto' is 'torch' on CPUs and for an export, whose result must run without
    this package. On GPUs it is the first available one of 'mmcv', 'triton'
    and 'torch'.

    Args:
        device (str): Type of the device, such as 'cpu' or 'cuda'.
        num_levels (int): Number of levels.
        name (str, optional): See :func:`check_implementation`.

    Returns:
        str: 'triton', 'torch' or 'mmcv'.

    Raises:
        InputError: If the implementation cannot run there.
    """
    name = check_implementation(name)
    has_few_levels = num_levels <= MAX_TRITON_LEVELS
    if name == 'auto':
        if device != 'cuda' or _is_exporting():
            return 'torch'
        if _HAS_MMCV:
            return 'mmcv'
        return 'triton' if _HAS_TRITON and has_few_levels else 'torch'
    if name == 'triton' and not has_few_levels:
        raise InputError(
            'The Triton kernels of the deformable attention have at most '
            f"{MAX_TRITON_LEVELS} levels, not {num_levels}. Choose 'torch'."
        )
    runs_on_cpu = name == 'torch' or name == 'triton' and _INTERPRETS_TRITON
    if device == 'cpu' and not runs_on_cpu:
        raise InputError(
            f'The {name!r} implementation of the deformable attention does '
            "not run on CPUs. Choose 'auto' or 'torch'."
        )
    return name
