# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Models of the configs in small sizes."""

from pathlib import Path

import projects.maxtron  # noqa: F401, before MMDetection

from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

ROOT = Path(__file__).parents[1]


def model_cfg(
    name: str = 'maxtron-nearonline_tube-link_tiny',
    num_classes: int = 5,
    **segmenter,
) -> ConfigDict:
    """Load a model of ``configs/_base_/models``.

    Args:
        name (str): Name of the file. Defaults to the tiny model.
        num_classes (int): Number of classes. Defaults to 5.
        segmenter (dict): Changes to ``head.segmenter``.

    Returns:
        ConfigDict: Config of the model.
    """
    cfg = Config.fromfile(ROOT / f'configs/_base_/models/{name}.py')
    segmenter['num_classes'] = num_classes
    cfg.merge_from_dict(dict(model=dict(head=dict(segmenter=segmenter))))
    return cfg.model


def build(cfg: ConfigDict):
    """Build a model or a part of one, in evaluation mode."""
    init_default_scope('mmdet')
    return MODELS.build(cfg).eval()
