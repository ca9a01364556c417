# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Translation of the reference's weight names to those of this project.

Each module of this package translates the names of a code base or of one of
its modules. ``RENAMES`` has pairs of a regular expression and a replacement,
which are applied in order to names without the prefix of the module.
"""

import re
from collections.abc import Iterable

from tools.model_converters.rules import backbones, vis, vps
from tools.model_converters.rules.names import Names

# The first pattern that a key begins with identifies the code base.
_MARKS = (
    (re.compile(r'cross_clip_tracking_module\.'), vps.OFFLINE_NAMES),
    (
        re.compile(
            r'sem_seg_head\.|backbone\.(stem|res\d|downsample_layers)\.'
        ),
        vps.NAMES,
    ),
    (re.compile(r'(stem|res\d|downsample_layers)\.'), backbones.NAMES),
)


def names_of(keys: Iterable[str]) -> Names:
    """Identify the code base of a checkpoint by its keys."""
    keys = tuple(keys)
    for mark, names in _MARKS:
        if any(mark.match(key) for key in keys):
            return names
    return vis.NAMES


__all__ = ['Names', 'backbones', 'names_of']
