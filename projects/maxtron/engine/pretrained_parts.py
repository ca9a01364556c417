# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check of the weights that ``init_cfg`` names."""

import copy
from collections.abc import Iterator

from mmengine.model import BaseModule
from torch import nn

from ..weights import (
    CheckpointError,
    LoadedWeights,
    adapt_for_mmengine,
    get_weights,
    is_address,
    read_checkpoint,
    recognise,
)
from ..weights.conversion import describe
from .checkpoint import load_matching
from .checkpoint_report import explain_mismatch


def check_pretrained_parts(model: nn.Module) -> None:
    """Check that the files of ``init_cfg`` fill their modules.

    MMEngine loads the matching weights and only warns about the others. With a
    file of another architecture a backbone would keep its random weights.

    Args:
        model (nn.Module): The model.

    Raises:
        CheckpointError: If a file cannot be read, or fills less than half of
            the module. The weights of a backbone alone must fill all of it.
    """
    for name, module in model.named_modules():
        for init_cfg in _pretrained(module):
            path = str(init_cfg['checkpoint'])
            if '://' in path and not is_address(path):
                continue  # MMEngine reads the address
            try:
                _check_part(module, path, init_cfg.get('prefix'))
            except CheckpointError as error:
                key = f'model.{name}.init_cfg' if name else 'model.init_cfg'
                raise type(error)(f'{key}: {error}') from error


def _pretrained(module: nn.Module) -> Iterator[dict]:
    """List the ``init_cfg`` with files that MMEngine itself loads."""
    if getattr(type(module), 'init_weights', None) is BaseModule.init_weights:
        cfgs = module.init_cfg or []
        for cfg in [cfgs] if isinstance(cfgs, dict) else cfgs:
            if cfg.get('type') == 'Pretrained':
                yield cfg


def _check_part(module: nn.Module, path: str, prefix: str | None) -> None:
    """Compare the weights of a file with those of a module."""
    content = read_checkpoint(path)
    original = get_weights(content, path)
    weights = get_weights(adapt_for_mmengine(content, path), path)
    if prefix is not None:
        prefix = f'{prefix.rstrip(".")}.'
        weights = {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
        if not weights:
            raise CheckpointError(f'{path} has no weights under "{prefix}".')
    loaded = LoadedWeights(
        weights, {}, recognise(original), describe(original)
    )
    # of a copy, because MMEngine logs which weights init_weights changes
    report = load_matching(copy.deepcopy(module), dict(weights))
    num_weights = len(module.state_dict())
    allowed = 0 if loaded.is_backbone else num_weights / 2
    if report.num_unfilled > allowed:
        raise CheckpointError(explain_mismatch(module, path, loaded, report))
