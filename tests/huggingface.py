# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Import of transformers, which is apart from the other packages."""

import sys
from pathlib import Path
from types import ModuleType

import pytest


def import_transformers() -> ModuleType:
    """Import transformers from the folder of tools/misc/setup_venv.sh.

    The folder is on Python's path only meanwhile: MMDetection imports
    transformers, if it finds them, which takes seconds.
    """
    folder = str(Path(sys.prefix, 'transformers'))
    sys.path.append(folder)
    try:
        return pytest.importorskip('transformers')
    finally:
        sys.path.remove(folder)
