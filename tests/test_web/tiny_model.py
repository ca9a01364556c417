# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The shipped instance model, which the pages run in the tests."""

MODEL = 'maxtron-nearonline_tube-link_tiny_synthetic-vis'
