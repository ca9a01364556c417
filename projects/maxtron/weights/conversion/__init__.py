# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of the weights of other code bases to this project's names.

Each module translates the names of a code base or of one of its modules.
``RENAMES`` has pairs of a regular expression and a replacement, which are
applied in order to names without the prefix of the module.
"""

from .convert import convert_state_dict
from .recognition import (
    BACKBONES,
    CONVERTED,
    MMDET_NAMES,
    TITLES,
    describe,
    names_of,
    recognise,
)

__all__ = [
    'BACKBONES',
    'CONVERTED',
    'MMDET_NAMES',
    'TITLES',
    'convert_state_dict',
    'describe',
    'names_of',
    'recognise',
]
