# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Python imports it when it starts with this folder in PYTHONPATH.

MMEngine has YAPF lay the config out five times a run, which takes longer than
all else that a run of the tests does. Here it only has to be valid code.
"""

import sys
from types import ModuleType


def check_code(text, **style):
    """Take the place of YAPF's FormatCode."""
    compile(text, 'config', 'exec')
    return text, False


sys.modules['yapf.yapflib.yapf_api'] = ModuleType('yapf_api')
sys.modules['yapf.yapflib.yapf_api'].FormatCode = check_code
