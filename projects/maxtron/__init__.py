# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MaXTron for MMDetection: video segmentation with trajectory attention.

Importing this package registers all its components with MMDetection, so a
config needs one line:
``custom_imports = dict(imports=['projects.maxtron'])``.
"""

import contextlib
import importlib
import io
import warnings

from ._mmcv_lite import register_placeholders

register_placeholders()  # must run before the imports below import MMDetection

# OneDL's MMDetection prints notices about missing optional packages on import
# (a data platform, a faster COCO metric). This project uses neither.
with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
    warnings.filterwarnings('ignore', message='faster_coco_eval')
    for name in ('datasets', 'evaluation'):
        importlib.import_module(f'mmdet.{name}')

from . import datasets, engine, evaluation, models, visualization  # noqa: E402
from .compat import patch_openmmlab  # noqa: E402
from .version import __version__  # noqa: E402

patch_openmmlab()

# PyTorch warns of MMDetection's calls in every run.
warnings.filterwarnings('ignore', 'torch.meshgrid', UserWarning)

__all__ = [
    '__version__',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
