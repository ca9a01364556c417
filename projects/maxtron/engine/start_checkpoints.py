# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check of the initial checkpoints of a training."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from ..errors import InputError
from ..weights import (
    CheckpointError,
    CheckpointNotFoundError,
    get_weights,
    load_any,
    read_checkpoint,
)
from .config_keys import walk_config

_HINT = (
    'The README next to the config describes how to get initial weights; '
    '--cfg-options load_from=FILE takes others, and load_from=None begins '
    'without (then set the weights of the backbone by '
    'model.backbone.init_cfg).'
)
# Entries of a checkpoint that MMEngine's runner needs to resume.
_TRAINING_STATE = ('meta', 'optimizer', 'message_hub')


def check_start_checkpoints(cfg: Config) -> None:
    """Read all initial checkpoints of a training before it is built.

    These are ``load_from`` or the checkpoint to resume from, and the
    checkpoint of every ``init_cfg`` of the model. Only the first process of
    each machine checks them.

    Args:
        cfg (Config): Config of the training.

    Raises:
        CheckpointError: If a checkpoint is missing, damaged or of another
            kind. The message names the key of the config.
    """
    if int(os.environ.get('LOCAL_RANK', 0)):
        return
    path = cfg.get('load_from')
    if cfg.get('resume'):
        if path:
            _check_resume(path)
        else:
            _check_auto_resume(cfg.work_dir)
    elif path:
        check_load_from(path)
    for key, node in walk_config(cfg.model.to_dict(), 'model.'):
        if key.endswith('.checkpoint') and node.get('type') == 'Pretrained':
            _check_weights(key, node['checkpoint'])


def check_load_from(path: str) -> None:
    """Check the initial weights of a training.

    Args:
        path (str): ``load_from`` of the config.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged, has no
            weights or only those of a backbone, or has keys that its code base
            does not have.
    """
    try:
        loaded = load_any(path)
    except CheckpointNotFoundError as error:
        raise CheckpointNotFoundError(
            f'load_from of the config is {path}, which does not exist. {_HINT}'
        ) from error
    except InputError as error:
        raise type(error)(f'load_from of the config: {error}') from error
    if loaded.is_backbone:
        raise CheckpointError(
            f'load_from of the config is {path}, {loaded.description}.'
        )


@contextmanager
def explain_other_optimizer(cfg: Config) -> Iterator[None]:
    """Explain that a training cannot resume with another optimizer.

    Args:
        cfg (Config): Config of the training that runs in the context.

    Raises:
        CheckpointError: If the groups of parameters in the checkpoint differ
            from those of the optimizer.
    """
    try:
        yield
    except ValueError as error:
        # PyTorch's words for other groups, and for groups of another size.
        if 'parameter group' not in str(error) or not cfg.get('resume'):
            raise
        path = cfg.get('load_from') or find_latest_checkpoint(cfg.work_dir)
        raise CheckpointError(
            f'Cannot resume: the optimizer of {path} groups the parameters '
            'differently. Resume with the config and the version of the '
            'code that saved it; to start from its weights, use --cfg-options '
            f'load_from={path} instead.'
        ) from error


def _check_weights(key: str, path: str) -> None:
    """Read the weights that a key of the config names."""
    try:
        get_weights(read_checkpoint(path), path)
    except InputError as error:
        raise type(error)(f'{key}: {error}') from error


def _check_resume(path: str) -> None:
    """Check that a checkpoint has the state of a training."""
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise type(error)(f'Cannot resume: {error}') from error
    missing = [key for key in _TRAINING_STATE if key not in content]
    if missing:
        raise CheckpointError(
            f'Cannot resume: {path} has no {", ".join(missing)}, so it is not '
            'a checkpoint that a training saved. To start from its weights, '
            f'use --cfg-options load_from={path} instead.'
        )


def _check_auto_resume(work_dir: str) -> None:
    """Check the newest checkpoint of a work folder, if it has one.

    If the newest checkpoint is damaged, the message names the newest good one.
    """
    newest = find_latest_checkpoint(work_dir)
    if newest is None:
        return
    try:
        if not newest:
            raise CheckpointError(
                f'Cannot resume: {work_dir}/last_checkpoint is empty.'
            )
        _check_resume(newest)
    except CheckpointError as error:
        good = _newest_good(Path(work_dir), Path(newest))
        advice = (
            f'The newest good checkpoint is {good}: resume from it with '
            f'--resume {good}'
            if good
            else f'No other checkpoint of {work_dir} is good: start anew '
            'with another --work-dir.'
        )
        raise CheckpointError(f'{error} {advice}') from error


def _newest_good(folder: Path, damaged: Path) -> Path | None:
    """Find the newest checkpoint from which a training can resume."""
    found = [p for p in folder.glob('*.pth') if re.search(r'_\d+$', p.stem)]
    for path in sorted(found, key=_number, reverse=True):
        if path.resolve() == damaged.resolve():
            continue
        try:
            _check_resume(str(path))
        except CheckpointError:
            continue
        return path
    return None


def _number(path: Path) -> int:
    """Read the number of the epoch or iteration from a checkpoint's name."""
    return int(path.stem.rpartition('_')[2])
