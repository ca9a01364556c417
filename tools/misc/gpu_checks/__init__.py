# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Parts of tools/misc/check_gpu.py, one module each.

A module has a function ``run(check: Checker)``. Each part runs in a process of
its own, see ``process.py``.
"""

from typing import NamedTuple


class Part(NamedTuple):
    """A part of the check.

    Attributes:
        name (str): Name of its module.
        seconds (int): Time limit.
        text (str): What it checks.
    """

    name: str
    seconds: int
    text: str


# In the order in which they run. The whole check has a limit of its own, so
# the part that may take longest is the last.
PARTS = (
    Part('environment', 60, 'versions, copies and matrix products'),
    Part('deformable', 100, 'forms of deformable attention'),
    Part('modules', 45, 'each module on the device and the CPU'),
    Part('networks', 75, 'whole networks and results of videos'),
    Part('postprocess', 45, 'panoptic merge, masks, waits'),
    Part('determinism', 45, 'repeated runs'),
    Part('distributed', 45, 'a process group of one rank'),
    Part('training', 90, 'training steps'),
    Part('speed', 120, 'frames per second'),
    Part('compiled', 240, 'CUDA graphs and torch.compile'),
)
