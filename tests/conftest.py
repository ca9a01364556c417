# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comes before every test module, whatever that imports first."""

import gc
import os

# Before PyTorch reads it: tests run side by side, and start processes.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import projects.maxtron  # noqa: E402, F401, lets MMDetection load on mmcv-lite

from tests.test_tools import sitecustomize  # noqa: E402, F401

# MMEngine collects garbage when a dataset is built: not among all modules.
gc.freeze()
