# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Replacements of libraries, for the tests and the processes that they start.

Python imports this module at start if its folder is in PYTHONPATH.

- MMEngine formats the config with YAPF five times a run, which takes seconds,
  longer than the rest of a run of the tests. No test depends on the layout.
- MMDetection imports imgaug for a transform that this project does not use,
  which takes a second.
"""

import sys
from types import ModuleType


def check_code(text, **style):
    """Check the syntax and return the code as it is, as FormatCode would."""
    compile(text, 'config', 'exec')
    return text, False


sys.modules['yapf.yapflib.yapf_api'] = ModuleType('yapf_api')
sys.modules['yapf.yapflib.yapf_api'].FormatCode = check_code


class _Imgaug(ModuleType):
    """Module whose functions and classes are never used."""

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)
        return object


for _name in (
    '',
    '.augmenters',
    '.augmentables.lines',
    '.augmentables.segmaps',
):
    sys.modules[f'imgaug{_name}'] = _Imgaug(_name)
