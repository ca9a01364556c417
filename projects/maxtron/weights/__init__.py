# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Weights of any code base: files, their formats and their names."""

from .checkpoint_file import (
    CheckpointError,
    CheckpointNotFoundError,
    UnsafeCheckpointError,
    get_weights,
    read_checkpoint,
)
from .conversion import convert_state_dict, recognise
from .loading import LoadedWeights, convert_by_rules, convert_content, load_any

__all__ = [
    'CheckpointError',
    'CheckpointNotFoundError',
    'LoadedWeights',
    'UnsafeCheckpointError',
    'convert_by_rules',
    'convert_content',
    'convert_state_dict',
    'get_weights',
    'load_any',
    'read_checkpoint',
    'recognise',
]
