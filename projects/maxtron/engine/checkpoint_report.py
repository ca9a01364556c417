# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Explanations how a checkpoint fits a model."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ..weights import LoadedWeights


class KeyReport(NamedTuple):
    """Comparison of the keys of a checkpoint with those of a model.

    Attributes:
        missing_keys (list[str]): Keys that only the model has.
        unexpected_keys (list[str]): Keys that only the checkpoint has.
        mismatched_keys (dict[str, str]): PyTorch's message about the shapes,
            by the key of a weight with another shape.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]
    mismatched_keys: dict[str, str]

    @property
    def num_unfilled(self) -> int:
        """int: Number of weights that the checkpoint does not fill."""
        return len(self.missing_keys) + len(self.mismatched_keys)

    def lines(self) -> list[str]:
        """Format one line for each kind of key, with the first key."""
        kinds: tuple[tuple[str, Sequence[str]], ...] = (
            ('missing', self.missing_keys),
            ('of another shape', list(self.mismatched_keys.values())),
            ('unexpected', self.unexpected_keys),
        )
        return [
            f'  {len(keys)} {title}, first: {keys[0].strip()}'
            for title, keys in kinds
            if keys
        ]


def keys_inside(parts: Sequence[str], keys: Iterable[str]) -> list[str]:
    """Select the keys that belong to given sub-modules.

    Args:
        parts (Sequence[str]): Names of sub-modules.
        keys (Iterable[str]): Keys of a state dict.

    Returns:
        list[str]: The keys of these sub-modules.
    """
    prefixes = tuple(f'{part}.' for part in parts)
    return [key for key in keys if key.startswith(prefixes)]


def explain_mismatch(
    model: nn.Module, path: str, loaded: LoadedWeights, report: KeyReport
) -> str:
    """Explain why a checkpoint does not fit and how to fix it.

    Args:
        model (nn.Module): The model.
        path (str): Path of the checkpoint.
        loaded (LoadedWeights): The checkpoint.
        report (KeyReport): Comparison of both.

    Returns:
        str: The explanation, of several lines.
    """
    total = len(model.state_dict())
    lines = [
        f'{path} does not fit {type(model).__name__} as configured: '
        f'{total - report.num_unfilled} of {total} weights match.',
        *report.lines(),
    ]
    if loaded.description is not None:
        lines.append(f'This looks like {loaded.description}.')
    elif report.num_unfilled > total / 2:
        parts = sorted(set(key.split('.')[0] for key in loaded.state_dict))
        lines.append(
            'This looks like a checkpoint of another architecture, '
            f'with the parts {", ".join(parts)}.'
        )
    if 2 * report.num_unfilled <= total:
        lines.append(
            'Was it trained with another config (backbone, number '
            'of classes or layers)?'
        )
    return '\n'.join(lines)


def explain_frozen(path: str, frozen: Sequence[str], report: KeyReport) -> str:
    """Explain which frozen weights a checkpoint lacks.

    Args:
        path (str): Path of the checkpoint.
        frozen (Sequence[str]): Names of the frozen sub-modules.
        report (KeyReport): Missing and mismatched keys of the frozen modules.

    Returns:
        str: The explanation, of several lines.
    """
    return '\n'.join(
        [
            f'{path} does not fill {", ".join(frozen)}, which '
            'model.freeze_segmenter=True keeps as they are loaded:',
            *report.lines(),
            'Set load_from to a checkpoint of the first stage: of the '
            'near-online config of this backbone, this segmenter and these '
            'classes. Or train everything: model.freeze_segmenter=False.',
        ]
    )


def new_modules(model: nn.Module, new_keys: Collection[str]) -> list[str]:
    """Name the largest modules for which a checkpoint has no weight.

    Args:
        model (nn.Module): The model.
        new_keys (Collection[str]): Keys that the checkpoint does not fill.

    Returns:
        list[str]: Names of modules or weights, in the order of the model.
    """
    keys = model.state_dict().keys()
    loaded = {
        '.'.join(key.split('.')[:depth])
        for key in keys - set(new_keys)
        if 'num_batches_tracked' not in key
        for depth in range(1, key.count('.') + 2)
    }
    names = {}
    for key in keys:
        if key not in new_keys:
            continue
        name, *rest = key.split('.')
        while name in loaded:
            name = f'{name}.{rest.pop(0)}'
        names[name] = None
    return list(names)


def sibling_config(config: str | None, mode: str) -> str:
    """Name the config of the same model in the other mode.

    Args:
        config (str, optional): Path of a config.
        mode (str): 'offline' or 'nearonline'.

    Returns:
        str: Path of the config in the same folder; a description if it does
            not exist.
    """
    if config is not None:
        path = Path(config)
        algorithm, *model = path.stem.split('_')[:3]
        name = '_'.join([f'{algorithm.partition("-")[0]}-{mode}', *model])
        dataset = path.stem.rpartition('_')[2]
        found = sorted(path.parent.glob(f'{name}_*_{dataset}.py'))
        if found:
            return str(found[0])
    return f'the "{mode}" config of the same segmenter, backbone and dataset'
