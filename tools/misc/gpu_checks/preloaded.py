# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Libraries that all parts use."""

import projects.maxtron.apis  # noqa: F401, lets MMDetection load on mmcv-lite

import mmdet.apis  # noqa: F401
