# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comes before every test module, whatever that imports first."""
import projects.maxtron  # noqa: F401, lets MMDetection load on mmcv-lite
