# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The shipped models, which the pages run in the tests."""

MODEL = 'maxtron-nearonline_tube-link_tiny_synthetic-vis'
PANOPTIC = 'maxtron-nearonline_video-kmax_tiny_synthetic-vps'
