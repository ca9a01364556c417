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
    MMDET_NAMES,
    TITLES,
    convert_state_dict,
    describe,
    recognise,
)

# Entries of a checkpoint that are not converted, with reasons.
_ENTRIES = {
    'optimizer': 'state of the optimizer; a converted model starts a new run',
    'lr_scheduler': 'state of the learning rate schedule',
    'scheduler': 'state of the learning rate schedule',
    'amp': 'state of the loss scaling',
    'model_ema': 'moving average of the weights; the weights themselves are '
    'converted',
}


class LoadedWeights(NamedTuple):
    """Weights by this project's names, whatever code base wrote the file.

    Attributes:
        state_dict (dict[str, Tensor]): Weights by key. The keys of an unknown
            code base are those of the file.
        meta (dict): ``dataset_meta`` etc.; empty if the file has none.
        code_base (str | None): The code base, a key of ``TITLES``; None if it
            is unknown.
        description (str | None): Code base and use of the file in words; None
            for this project and for unknown code bases.
        dropped (dict[str, str]): Reasons why weights were left out, by key.
        dropped_entries (dict[str, str]): The same for entries of the file.
    """

    state_dict: dict[str, Tensor]
    meta: dict
    code_base: str | None = None
    description: str | None = None
    dropped: dict[str, str] = {}
    dropped_entries: dict[str, str] = {}

    @property
    def is_backbone(self) -> bool:
        """bool: Whether the weights are those of a backbone alone."""
        return self.code_base in BACKBONES

    def log(self, path: str) -> None:
        """Log the code base of a converted file in one line.

        Args:
            path (str): Path of the file.
        """
        if self.code_base not in CONVERTED:
            return
        text = (
            f'{path} is {TITLES[self.code_base]}: {len(self.state_dict)} '
            "weights are converted in memory to this project's names"
        )
        if self.dropped:
            reasons = '; '.join(dict.fromkeys(self.dropped.values()))
            text += f', {len(self.dropped)} are left out ({reasons})'
        print_log(f'{text}.', logger='current')


def load_any(path: str, map_location: str | None = 'cpu') -> LoadedWeights:
    """Load the weights of any known code base.

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
    """Convert the content of a file, unless its code base is unknown.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.

    Returns:
        LoadedWeights: The weights by this project's names.

    Raises:
        CheckpointError: If the file has no weights, or has keys that its code
            base does not have.
    """
    weights = get_weights(checkpoint, path)
    if recognise(weights) in CONVERTED:
        try:
            return convert_by_rules(checkpoint, path)
        except ValueError as error:
            raise CheckpointError(
                f'{path} does not fit. This looks like {describe(weights)}. '
                f'However, {error}'
            ) from error
    return LoadedWeights(
        weights,
        checkpoint.get('meta') or {},
        recognise(weights),
        describe(weights),
    )


def convert_by_rules(checkpoint: dict, path: str) -> LoadedWeights:
    """Convert the content of a file of another code base.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.

    Returns:
        LoadedWeights: The weights by this project's names. ``meta`` has only
        the ``dataset_meta``.

    Raises:
        CheckpointError: If the file has no weights.
        ValueError: If a key is unknown.
    """
    weights = get_weights(checkpoint, path)
    entry = weights_entry(checkpoint)
    dropped: dict[str, str] = {}
    return LoadedWeights(
        convert_state_dict(weights, dropped=dropped),
        _read_meta(checkpoint.get('meta') or {}),
        recognise(weights),
        describe(weights),
        dropped,
        {
            name: _ENTRIES.get(name, 'not part of the model')
            for name in checkpoint
            if entry and name not in (entry, 'meta')
        },
    )


def _read_meta(meta: dict) -> dict:
    """Read the classes and colours of MMDetection 2.x and 3.x."""
    found = meta.get('dataset_meta') or {
        key: meta[key] for key in ('CLASSES', 'PALETTE') if meta.get(key)
    }
    found = {key.lower(): value for key, value in found.items()}
    if 'classes' not in found:
        return {}
    return {'dataset_meta': {**found, 'classes': tuple(found['classes'])}}


@CheckpointLoader.register_scheme(
    prefixes=('', 'http://', 'https://'), force=True
)
def load_from_maxtron(filename: str, map_location: Any = None) -> dict:
    """Read weights for MMEngine: ``load_from``, ``resume`` and ``init_cfg``.

    Replaces MMEngine's functions for files and URLs, which run code in pickles
    and cannot read those of Detectron2. This one takes names of weights, too.

    Args:
        filename (str): A file, a URL or a name of weights.
        map_location (Any): As for :func:`torch.load`. Defaults to None.

    Returns:
        dict: Content of the file, see :func:`adapt_for_mmengine`.

    Raises:
        CheckpointError: As :func:`load_any`.
    """
    return adapt_for_mmengine(
        read_checkpoint(filename, map_location), filename, log=True
    )


def adapt_for_mmengine(checkpoint: dict, path: str, log: bool = False) -> dict:
    """Convert the content of a file for :class:`~mmengine.runner.Runner`.

    Names of MMDetection stay as they are: models of other projects in the same
    process have them, and :class:`InitialWeightsHook` converts them.

    Args:
        checkpoint (dict): Content of the file.
        path (str): Path of the file, for messages.
        log (bool): Whether to log the code base. Defaults to False.

    Returns:
        dict: The converted content, or the content itself.

    Raises:
        CheckpointError: As :func:`convert_content`.
    """
    code_base = recognise(get_weights(checkpoint, path))
    if code_base not in CONVERTED or code_base in MMDET_NAMES:
        return checkpoint
    loaded = convert_content(checkpoint, path)
    if log:
        loaded.log(path)
    return dict(state_dict=loaded.state_dict, meta=loaded.meta)
