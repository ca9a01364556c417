# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Configs of the repository, for tests of many configs."""

import re
from functools import cache

import torch
import yaml
from mmdet.registry import PARAM_SCHEDULERS
from mmengine.config import Config

from tests.models import ROOT

FILES = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob('configs/**/*.py')
)
LEAVES = [path for path in FILES if '/_base_/' not in path]
# MMDetection's Mask2Former on COCO, the start of video models
MASK2FORMER = [path for path in LEAVES if '/tube_link/coco/' in path]
# MMDetection's Mask2Former on videos
ZERO_SHOT = [path for path in LEAVES if '/mask2former/' in path]
# leaves whose names state a backbone, GPUs, batch and iterations
ZOO = [
    path
    for path in LEAVES
    if re.search(r'_(8|16)xb\d-', path) and path not in MASK2FORMER
]
YAML = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # the quick one
BY_NAME = {
    path.rpartition('/')[2].removesuffix('.py'): path for path in LEAVES
}


@cache
def load(path: str) -> Config:
    """Load a config, which tests share and must not change.

    Args:
        path (str): Relative to the root, or the name of a leaf.
    """
    return Config.fromfile(ROOT / BY_NAME.get(path, path))


@cache
def read_index() -> dict:
    """Read the entries of all metafiles by name."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    models = [
        model
        for path in index['Import']
        for model in yaml.load((ROOT / path).read_text(), YAML)['Models']
    ]
    return {model['Name']: model for model in models}


_rates = {}


def learning_rates(cfg: Config) -> list[float]:
    """Compute the multiple of the learning rate at each iteration.

    The schedulers are built and stepped like in MMEngine's runner. Configs
    with the same schedule share the result.

    Args:
        cfg (Config): With ``param_scheduler`` and ``train_cfg``.
    """
    max_iters = cfg.train_cfg.max_iters
    key = (repr(cfg.param_scheduler), max_iters)
    if key in _rates:
        return _rates[key]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedulers = [
        PARAM_SCHEDULERS.build(
            {'end': max_iters, **scheduler, 'optimizer': optimizer}
        )
        for scheduler in cfg.param_scheduler
    ]
    rates = _rates[key] = []
    for _ in range(max_iters):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


def _by_dataset() -> list:
    """Choose one config of the zoo for each base of datasets."""
    found = {}
    for path in ZOO:
        base = re.search(
            r"'.*_base_/datasets/(.*)\.py'", (ROOT / path).read_text()
        )
        if base:
            found.setdefault(base[1], path)
    return sorted(found.values())


OWN_DATASETS = _by_dataset()
