# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Names of the weights in the reference, and what they are here.

One module for each code base, or for each of its modules. The latter hold
``RENAMES``: pairs of a regular expression and its replacement, which are
applied in their order to names without the prefix of the module.
"""

import re
from collections.abc import Iterable

from tools.model_converters.rules import backbones, vis, vps
from tools.model_converters.rules.names import Names

# The first pattern that a key begins with tells the code base.
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
    """Tell from the keys of a checkpoint which code base it is of."""
    keys = tuple(keys)
    for mark, names in _MARKS:
        if any(mark.match(key) for key in keys):
            return names
    return vis.NAMES


__all__ = ['Names', 'backbones', 'names_of']
