# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Safe reading of weights from files of several code bases.

A checkpoint of PyTorch has its weights under 'state_dict' or 'model', or
consists of weights only. The model zoo of Detectron2 has plain pickles of
NumPy arrays. Its conversion scripts write plain pickles of tensors.
"""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor


def _load_storage(content: bytes) -> Any:
    """Read the storage of a tensor safely, unlike PyTorch."""
    return torch.load(
        io.BytesIO(content), map_location='cpu', weights_only=True
    )


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


def load_weights(path: str, trust: bool = False) -> dict:
    """Read a file with weights.

    Args:
        path (str): The file.
        trust (bool): Whether to run code in the file, see :func:`torch.load`.
            Defaults to False.

    Returns:
        dict: 'state_dict' with tensors by name, and the other entries of the
        file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a checkpoint, or cannot be read safely.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'There is no checkpoint at {path}.')
    try:
        content = _read_plain_pickle(path, trust)
        if content is None:
            content = torch.load(
                path, map_location='cpu', weights_only=not trust
            )
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} is no checkpoint of PyTorch, or it holds objects other '
            'than tensors and plain numbers. If you trust where it comes '
            'from, read it with --trust, which lets it run its code. '
            f'({str(error).splitlines()[0]})'
        ) from error
    except (EOFError, RuntimeError) as error:
        raise ValueError(
            f'{path} cannot be read as a checkpoint of PyTorch: '
            f'is it complete? ({error})'
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__}, not a '
            'checkpoint (a dict with "state_dict").'
        )
    weights = next(
        (
            content.pop(name)
            for name in ('state_dict', 'model')
            if isinstance(content.get(name), dict)
        ),
        None,
    )
    if weights is None:
        content, weights = dict(), content
    content['state_dict'] = {k: _as_tensor(v) for k, v in weights.items()}
    return content


def _read_plain_pickle(path: str, trust: bool) -> dict | None:
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


def _as_tensor(value: Any) -> Any:
    """Convert NumPy arrays and numbers to tensors."""
    if isinstance(value, (np.ndarray, np.generic)):
        return torch.from_numpy(np.array(value))
    return value.detach() if isinstance(value, Tensor) else value
