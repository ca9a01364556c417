# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Placeholders for the compiled operators of MMCV, which mmcv-lite lacks.

MMDetection imports every compiled operator of MMCV, but mmcv-lite has only
their Python side. All operators that this project calls have a pure PyTorch
form, so a placeholder for the compiled module suffices.
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
    """Placeholder for ``mmcv._ext``: has every operator but can run none."""

    def __init__(self) -> None:
        super().__init__(_EXT, 'Placeholder of projects.maxtron._mmcv_lite.')
        # With a spec without a loader, importlib can inspect the module, and
        # mmcv.utils.check_ops_exist() still returns False.
        self.__spec__ = ModuleSpec(_EXT, loader=None)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(f'module {_EXT!r} has no attribute {name!r}')
        return _placeholder(name)


def has_compiled_operators() -> bool:
    """Return whether the installed MMCV is the full package.

    Returns:
        bool: False for mmcv-lite, even after registration of the placeholder.

    Raises:
        ImportError: If MMCV is not installed.
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
    """Register the placeholder module if MMCV is mmcv-lite.

    The function does nothing with the full MMCV or if it is called again. It
    must run before the import of MMDetection.

    Raises:
        ImportError: If MMCV is missing, or its compiled operators do not load,
            for instance because they were built for another PyTorch.
    """
    if not has_compiled_operators():
        if _EXT not in sys.modules:
            sys.modules[_EXT] = _MissingOperators()
            # This operator is newer than mmcv-lite. MMDetection warns at
            # length if it is missing.
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
