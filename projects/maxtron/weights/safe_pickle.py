# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Safe reading of weights from files of several code bases.

A checkpoint of PyTorch has its weights under 'state_dict' or 'model', or
consists of weights only. The model zoo of Detectron2 has plain pickles of
NumPy arrays. Its conversion scripts write plain pickles of tensors.
"""

import io
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version


def _load_storage(content: bytes) -> Any:
    """Read the storage of a tensor safely, unlike PyTorch."""
    return torch.load(
        io.BytesIO(content), map_location='cpu', weights_only=True
    )


# PyTorch's variable for trusted files, and its message about other files.
_TRUST_VARIABLE = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
_TRUE = ('1', 'y', 'yes', 'true')
_REFUSED = re.compile(r'GLOBAL (\S+)')

# Functions that plain pickles of arrays and tensors call. NumPy's functions
# are taken from NumPy's pickles, because NumPy 2 has them in other modules.
_NUMPY_FUNCTIONS = {
    '_reconstruct': np.empty(0).__reduce__()[0],
    'scalar': np.float32().__reduce__()[0],
    '_frombuffer': np.empty(1).__reduce_ex__(5)[0],
}
_SAFE = {
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    ('_codecs', 'encode'): str.encode,
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch.storage', '_load_from_bytes'): _load_storage,
}


class UnsafeContentError(pickle.UnpicklingError):
    """A file calls functions other than those of arrays and tensors."""


class _SafeUnpickler(pickle.Unpickler):
    """Unpickler of arrays, tensors, numbers and strings only."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(('numpy.core.', 'numpy._core.')):
            found = _NUMPY_FUNCTIONS.get(name)
        else:
            found = _SAFE.get((module, name))
        if found is None:
            raise UnsafeContentError(f'It holds {module}.{name}.')
        return found


def load_safely(
    path: str | os.PathLike,
    map_location: str | torch.device | None = 'cpu',
    trust: bool = False,
) -> Any:
    """Read a file of weights without running code in it.

    Args:
        path (str | PathLike): The file.
        map_location (str | torch.device, optional): Device for the tensors of
            PyTorch's files. Defaults to 'cpu'.
        trust (bool): Whether the file may run code, see :func:`torch.load`.
            ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` in the environment has the
            same effect. Defaults to False.

    Returns:
        Any: Content of the file.

    Raises:
        UnsafeContentError: If the file holds other objects than tensors,
            arrays, numbers, text and training states of MMEngine.
    """
    trust = trust or os.environ.get(_TRUST_VARIABLE) in _TRUE
    content = _read_plain_pickle(path, trust)
    if content is not None:
        return content
    if trust:
        return torch.load(path, map_location=map_location, weights_only=False)
    try:
        with _safe_globals(_training_state_globals()):
            return torch.load(
                path, map_location=map_location, weights_only=True
            )
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise
        raise UnsafeContentError(f'It holds {refused[1]}.') from error


@contextmanager
def _safe_globals(safe: list) -> Iterator[None]:
    """Extend PyTorch's safe mode by some functions and classes."""
    if digit_version(torch.__version__) < digit_version('2.5'):
        torch.serialization.add_safe_globals(safe)
        yield
        return
    with torch.serialization.safe_globals(safe):
        yield


@cache
def _training_state_globals() -> list:
    """List the functions and classes of MMEngine's training states.

    A training stores the history of its losses as NumPy arrays.
    """
    safe: list[Any] = [
        HistoryBuffer,
        getattr,  # methods of HistoryBuffer; the safe mode cannot call them
        slice,
        np.ndarray,
        np.dtype,
        *_NUMPY_FUNCTIONS.values(),
        *{type(np.dtype(code)) for code in np.typecodes['All']},
    ]
    if digit_version(torch.__version__) >= digit_version('2.6'):
        # NumPy 1 and 2 have the functions in different modules.
        safe += [
            (function, f'numpy.{core}.{module}.{name}')
            for name, function in _NUMPY_FUNCTIONS.items()
            for core in ('core', '_core')
            for module in ('multiarray', 'numeric')
        ]
    return safe


def _read_plain_pickle(path: str | os.PathLike, trust: bool) -> dict | None:
    """Read a dict from a plain pickle; return None for other files."""
    if zipfile.is_zipfile(path):  # PyTorch's format
        return None
    with open(path, 'rb') as file:
        unpickler = pickle.Unpickler if trust else _SafeUnpickler
        try:
            # Some files are from Python 2. Detectron2 uses this encoding.
            content = unpickler(file, encoding='latin1').load()
        except UnsafeContentError:
            raise
        except (
            pickle.UnpicklingError,
            AttributeError,
            EOFError,
            ImportError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
        ):
            return None
    # PyTorch's format before 1.6 begins with a number.
    return content if isinstance(content, dict) else None
