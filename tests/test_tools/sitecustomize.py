# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Replacement of YAPF, for the tests and the processes that they start.

Python imports this module at start if its folder is in PYTHONPATH.
MMEngine formats the config with YAPF five times a run, which takes seconds,
longer than the rest of a run of the tests. No test depends on the layout.
"""

import sys
from types import ModuleType


def check_code(text, **style):
    """Check the syntax and return the code as it is, as FormatCode would."""
    compile(text, 'config', 'exec')
    return text, False


sys.modules['yapf.yapflib.yapf_api'] = ModuleType('yapf_api')
sys.modules['yapf.yapflib.yapf_api'].FormatCode = check_code
