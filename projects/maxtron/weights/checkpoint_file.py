# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of checkpoint files, and explanations why one cannot be read."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from ..errors import CheckpointError
from .file_damage import AGAIN, find_damage, first_line
from .resolve import is_address, resolve
from .safe_pickle import UnsafeContentError, load_safely


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds objects that may run code when they are read."""


def read_checkpoint(
    path: str, map_location: str | None = 'cpu', trust: bool = False
) -> dict:
    """Read a checkpoint of any code base into memory.

    The file may be one of PyTorch or a plain pickle, such as R-50.pkl of
    Detectron2. Code in the file is not run, see :func:`load_safely`.

    Args:
        path (str): A file, a URL or a name of weights, see :func:`resolve`;
            or an address that MMEngine can read, such as ``s3://...``.
        map_location (str, optional): Device to load the weights to; None
            keeps their device. Defaults to 'cpu'.
        trust (bool): Whether the file may run code. Defaults to False.

    Returns:
        dict: Content of the file.

    Raises:
        CheckpointNotFoundError: If the file does not exist.
        UnsafeCheckpointError: If the file cannot be read without running code
            in it.
        CheckpointError: If the file is damaged, is not a checkpoint, or cannot
            be downloaded.
    """
    path = str(path)
    is_url = '://' in path and not is_address(path)
    if not is_url:
        path = str(resolve(path)[0])
        _check_file(Path(path))
    try:
        if is_url:
            checkpoint = CheckpointLoader.load_checkpoint(
                path, map_location=map_location, logger='silent'
            )
        else:
            checkpoint = load_safely(Path(path), map_location, trust)
    except UnsafeContentError as error:
        raise UnsafeCheckpointError(
            f'{path} cannot be read as a PyTorch checkpoint without running '
            f'code in it. {error} If you trust its source, set '
            'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 in the environment.'
        ) from error
    except Exception as error:  # Unpickling may raise any error.
        reason = f'{type(error).__name__}: {first_line(error)}'
        if is_url:
            raise CheckpointError(
                f'{path} cannot be downloaded or read ({reason}). Without a '
                'network, copy the file to this machine and name its path '
                'instead.'
            ) from error
        raise CheckpointError(
            f'{path} cannot be read as a PyTorch checkpoint: {reason} {AGAIN}'
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path} holds a {type(checkpoint).__name__}; a checkpoint is a '
            'dict with a "state_dict".'
        )
    return checkpoint


def get_weights(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """Return the weights of a checkpoint.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.

    Returns:
        dict[str, Tensor]: Weights by key, without the prefix 'module.' of
        distributed wrappers.

    Raises:
        CheckpointError: If there are no weights.
    """
    weights = {
        re.sub(r'^module\.', '', key): _as_tensor(value)
        for key, value in checkpoint.get(
            weights_entry(checkpoint), checkpoint
        ).items()
        if isinstance(value, (Tensor, np.ndarray, np.generic))
    }
    if not weights:
        raise CheckpointError(
            f'{path} has no weights: expected a dict of tensors '
            'under "state_dict".'
        )
    return weights


def weights_entry(checkpoint: dict) -> str | None:
    """Name the entry of a checkpoint that holds the weights.

    Args:
        checkpoint (dict): Content of the file.

    Returns:
        str | None: 'state_dict', or 'model' as in Detectron2; None if the
        file consists of weights only.
    """
    for name in ('state_dict', 'model'):
        if isinstance(checkpoint.get(name), Mapping):
            return name
    return None


def _as_tensor(value: Any) -> Tensor:
    """Convert NumPy arrays and numbers to tensors."""
    if isinstance(value, Tensor):
        return value.detach()
    return torch.from_numpy(np.array(value))


def _check_file(path: Path) -> None:
    """Refuse a file that PyTorch cannot read correctly."""
    damage = find_damage(path)
    if damage is not None:
        raise CheckpointError(
            f'{path} cannot be read as a PyTorch checkpoint: {damage}'
        )
