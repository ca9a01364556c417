# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Config files of the repository, each read once by a process of tests.

A config has up to 15 bases, and MMEngine reads and compiles all of them again
for each of the 370 configs.
"""

import copy
import os
from typing import Any

from mmengine.config import Config

from tests.models import ROOT

_CONFIGS = str(ROOT / 'configs')
_read = Config._file2dict
_known: dict[tuple, Any] = {}


def _read_once(filename: str, *args, **kwargs) -> tuple[dict, str, dict]:
    """Read a config file, or copy what it contained before."""
    path = os.path.abspath(filename)
    if not path.startswith(_CONFIGS):
        return _read(filename, *args, **kwargs)
    key = path, args, tuple(sorted(kwargs.items()))
    if key not in _known:
        _known[key] = _read(filename, *args, **kwargs)
    return copy.deepcopy(_known[key])


def read_configs_once() -> None:
    """Let MMEngine read every config file of the repository once."""
    Config._file2dict = staticmethod(_read_once)
