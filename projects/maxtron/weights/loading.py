# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loading of the weights of any code base, by this project's names."""

from typing import Any, NamedTuple

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from .checkpoint_file import (
    CheckpointError,
    get_weights,
    read_checkpoint,
    weights_entry,
)
from .conversion import (
    BACKBONES,
    CONVERTED,
    TITLES,
    convert_state_dict,
    recognise,
)

# Entries of a checkpoint that are not converted, with reasons.
_DROPPED_ENTRIES = {
    'optimizer': 'state of the optimizer; a converted model starts a new run',
    'lr_scheduler': 'state of the learning rate schedule',
    'scheduler': 'state of the learning rate schedule',
    'amp': 'state of the loss scaling',
    'model_ema': 'moving average of the weights; the weights themselves are '
    'converted',
}


class LoadedWeights(NamedTuple):
    """Weights by this project's names, whatever the file's code base.

    Attributes:
        state_dict (dict[str, Tensor]): Weights by key.
        meta (dict): ``dataset_meta`` etc.; empty if the file has none.
        code_base (str | None): What it was, a key of ``TITLES``; None if
            unknown, then the names are those of the file.
        dropped (dict[str, str]): Reasons by the names of the entries and
            weights that were left out.
    """

    state_dict: dict[str, Tensor]
    meta: dict
    code_base: str | None
    dropped: dict[str, str]


def load_any(path: str, map_location: str | None = 'cpu') -> LoadedWeights:
    """Load weights of any known code base.

    Args:
        path (str): A file, or a URL that MMEngine can read.
        map_location (str, optional): Device to load the weights to; None
            keeps their device. Defaults to 'cpu'.

    Returns:
        LoadedWeights: The weights by this project's names.

    Raises:
        CheckpointNotFoundError: If the file does not exist.
        CheckpointError: If the file cannot be read, has no weights, or has
            keys that its code base does not have.
    """
    return convert_content(read_checkpoint(path, map_location), path)


def convert_content(checkpoint: dict, path: str) -> LoadedWeights:
    """Convert the content of a file by the rules of its code base.

    A line of the log names the code base, unless it is this project.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.

    Returns:
        LoadedWeights: The weights by this project's names.

    Raises:
        CheckpointError: If the file has no weights, or has keys that its code
            base does not have.
    """
    code_base = recognise(get_weights(checkpoint, path))
    if code_base not in CONVERTED:
        weights = get_weights(checkpoint, path)
        return LoadedWeights(
            weights, checkpoint.get('meta') or {}, code_base, {}
        )
    try:
        loaded = convert_by_rules(checkpoint, path)
    except ValueError as error:
        raise CheckpointError(
            f'{path} does not fit the rules for {TITLES[code_base]}, which '
            f'its keys look like: {error}'
        ) from error
    left_out = len(loaded.dropped.keys() - checkpoint.keys())
    print_log(
        f'{path} is {TITLES[code_base]}: {len(loaded.state_dict)} weights '
        "were converted in memory to this project's names"
        f'{f", {left_out} left out" if left_out else ""}.',
        logger='current',
    )
    return loaded


def convert_by_rules(checkpoint: dict, path: str) -> LoadedWeights:
    """Convert the content of a file of another code base.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.

    Returns:
        LoadedWeights: The weights by this project's names. ``meta`` only has
        the classes.

    Raises:
        CheckpointError: If the file has no weights.
        ValueError: If a key is unknown.
    """
    weights = get_weights(checkpoint, path)
    entry = weights_entry(checkpoint)
    dropped = {
        name: _DROPPED_ENTRIES.get(name, 'not part of the model')
        for name in checkpoint
        if entry and name not in (entry, 'meta')
    }
    converted = convert_state_dict(weights, dropped=dropped)
    classes = (checkpoint.get('meta') or {}).get('CLASSES')
    meta = {}
    if classes:
        meta['dataset_meta'] = dict(classes=tuple(classes))
    return LoadedWeights(converted, meta, recognise(weights), dropped)


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict:
    """Read a file for MMEngine: ``load_from``, ``resume`` and ``init_cfg``.

    Replaces the function of the same name of MMEngine, which reads plain
    pickles with any code in them and not those of Detectron2. Weights of a
    backbone alone are converted; those of a model stay as they are, because
    another model of the same process may have these names.

    Args:
        filename (str): The file.
        map_location (Any): As for :func:`torch.load`. Defaults to None.

    Returns:
        dict: Content of the file.

    Raises:
        CheckpointError: As :func:`load_any`.
    """
    content = read_checkpoint(filename, map_location)
    if recognise(get_weights(content, filename)) not in BACKBONES:
        return content
    loaded = convert_content(content, filename)
    return dict(state_dict=loaded.state_dict, meta=loaded.meta)
