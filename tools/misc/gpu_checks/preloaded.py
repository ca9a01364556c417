# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Libraries that the processes of the parts share."""

import projects.maxtron.apis  # noqa: F401, lets MMDetection load on mmcv-lite

import mmdet.apis  # noqa: F401
