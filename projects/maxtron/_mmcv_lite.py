# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Lets MMDetection be imported if MMCV has no compiled operators.

On import, MMDetection imports every compiled operator of MMCV, and mmcv-lite
has only their Python side. All that this project calls have a pure PyTorch
form, so a placeholder for the compiled module is enough.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

_EXT = 'mmcv._ext'
_INSTALL_FULL = (
    'pip install -U onedl-mim && pip uninstall -y mmcv-lite '
    '&& mim install onedl-mmcv'
)


def _placeholder(name: str) -> Callable[..., NoReturn]:
    """Make the placeholder of one compiled operator."""

    def missing_operator(*args, **kwargs) -> NoReturn:
        raise NotImplementedError(
            f'The compiled operator "{name}" was called, but the installed '
            'MMCV is mmcv-lite, which has no compiled operators. Install the '
            f'full package, onedl-mmcv: {_INSTALL_FULL} (or run on the CPU, '
            'where this project uses the PyTorch form of its operators).'
        )

    missing_operator.__name__ = name
    return missing_operator


class _MissingOperators(ModuleType):
    """Placeholder for ``mmcv._ext``: has every operator, can run none."""

    def __init__(self) -> None:
        super().__init__(_EXT, 'Placeholder of projects.maxtron._mmcv_lite.')
        # A spec without a loader: importlib can look at the module, and
        # mmcv.utils.check_ops_exist() still answers False.
        self.__spec__ = ModuleSpec(_EXT, loader=None)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(f'module {_EXT!r} has no attribute {name!r}')
        return _placeholder(name)


def has_compiled_operators() -> bool:
    """Whether the installed MMCV is the full one.

    Returns:
        bool: False for mmcv-lite, also with the placeholder in place.

    Raises:
        ImportError: MMCV is not installed at all.
    """
    if isinstance(sys.modules.get(_EXT), _MissingOperators):
        return False
    try:
        return importlib.util.find_spec(_EXT) is not None
    except ModuleNotFoundError as error:
        if error.name != 'mmcv':
            raise
        raise ImportError(
            'MMCV is not installed. Run "make setup", or see docs/install.md.'
        ) from error


def register_placeholders() -> None:
    """Put the placeholder module in place if MMCV is the lite one.

    Does nothing on the full MMCV and when called again. Must run before
    MMDetection is imported.

    Raises:
        ImportError: MMCV is missing, or its compiled operators do not load,
            as when they were built for another PyTorch.
    """
    if not has_compiled_operators():
        if _EXT not in sys.modules:
            sys.modules[_EXT] = _MissingOperators()
            # Newer than mmcv-lite; MMDetection warns at length without it.
            ops = importlib.import_module('mmcv.ops')
            setattr(ops, 'line_nms', _placeholder('line_nms'))
        return
    try:
        importlib.import_module(_EXT)
    except ImportError as error:
        raise ImportError(
            'The compiled operators of MMCV do not load with this PyTorch '
            f'({error}). They were built for another version: run "pip '
            'install -U onedl-mim && mim install --force-reinstall '
            '--no-deps onedl-mmcv", or take mmcv-lite on a machine without '
            'CUDA. "python tools/misc/check_env.py" prints the details.'
        ) from error
