# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MaXTron for MMDetection: video segmentation with trajectory attention.

Importing this package registers all its components with MMDetection, so a
config needs one line:
``custom_imports = dict(imports=['projects.maxtron'])``.
"""

from ._mmcv_lite import register_placeholders

register_placeholders()  # before MMDetection is imported by anything below

from . import (  # noqa: E402
    datasets,
    engine,
    evaluation,
    models,
    visualization,
)
from .version import __version__  # noqa: E402

__all__ = [
    '__version__', 'datasets', 'engine', 'evaluation', 'models',
    'visualization'
]
