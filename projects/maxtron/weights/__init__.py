# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Weights of any code base: where they are, and how their files are read."""

from ..errors import CheckpointError, CheckpointNotFoundError
from .cache import cache_folder, cached_path
from .checkpoint_file import (
    UnsafeCheckpointError,
    get_weights,
    read_checkpoint,
)
from .conversion import convert_state_dict, recognise
from .download import fetch
from .loading import (
    LoadedWeights,
    adapt_for_mmengine,
    convert_by_rules,
    convert_content,
    load_any,
)
from .registry import (
    ReleasedWeights,
    find_by_url,
    find_model_weights,
    find_weights,
    list_weights,
    read_registry,
)
from .resolve import is_address, resolve

__all__ = [
    'CheckpointError',
    'CheckpointNotFoundError',
    'LoadedWeights',
    'ReleasedWeights',
    'UnsafeCheckpointError',
    'adapt_for_mmengine',
    'cache_folder',
    'cached_path',
    'convert_by_rules',
    'convert_content',
    'convert_state_dict',
    'fetch',
    'find_by_url',
    'find_model_weights',
    'find_weights',
    'get_weights',
    'is_address',
    'list_weights',
    'load_any',
    'read_checkpoint',
    'read_registry',
    'recognise',
    'resolve',
]
