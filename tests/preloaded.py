# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Libraries that the processes of the tests share; see tests/processes.py."""

import gc

from tests.test_tools import sitecustomize  # noqa: F401, before MMDetection

# isort: split
import projects.maxtron.apis  # noqa: F401, lets MMDetection load on mmcv-lite

import mmdet.apis  # noqa: F401
import torch

torch.set_num_threads(1)
gc.freeze()
