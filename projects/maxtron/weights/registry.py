# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Registry of released weights, read from the metafiles of the configs.

An entry of ``configs/*/metafile.yml`` has the keys of MMDetection, among them
``Weights`` (a URL) and ``Alias``. Its key ``Released`` lists the weights that
others released for the config. Each item has:

* ``Code Base``: the program that wrote the file, one of :data:`CODE_BASES`;
* ``Licence``: licence of the weights;
* ``Google Drive``: id of the file; without it, ``Weights`` is the address;
* ``Name``: name of the weights (default: the alias of the config);
* ``Metrics``: published values (default: those in ``Results``);
* ``Task``: task of the model (default: that in ``Results``);
* ``SHA256``: (a prefix of) the check sum, if the file name does not have it;
* ``Note``: a peculiarity that the user should know.

``configs/_base_/backbones.yml`` lists weights of backbones by the same keys.
"""

import difflib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ..errors import CheckpointError, InputError

CODE_BASES = (
    'maxtron',
    'axial-vs-tube-link',
    'axial-vs-video-kmax',
    'kmax-deeplab',
    'mmdet',
    'mmpretrain',
    'detectron2',
    'convnext',
)
DRIVE = 'gdrive:'
TASKS = {
    'Video Panoptic Segmentation': 'VPS',
    'Video Instance Segmentation': 'VIS',
    'Panoptic Segmentation': 'PS',
    'Instance Segmentation': 'IS',
}
_PUBLISHED, _MEASURED = ' (published)', ' (measured)'
_PACKAGE = Path(__file__).resolve().parents[1]
# An installed package has the configs in .mim; a package that was copied into
# an MMDetection checkout has them in itself; else it is in a checkout.
_ROOTS = (_PACKAGE / '.mim', _PACKAGE, _PACKAGE.parents[1])
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class ReleasedWeights(NamedTuple):
    """Weights that can be loaded by name.

    Attributes:
        name (str): Name for users.
        url (str): Address: ``https://...``, ``gdrive:ID`` for Google Drive, or
            a path relative to the repository.
        code_base (str): Program that wrote the file, see :data:`CODE_BASES`.
        licence (str): Licence of the weights.
        config (str, optional): Config of the model, relative to ``configs``.
            None for weights of a backbone.
        aliases (tuple[str, ...]): Other names.
        task (str): VPS, VIS, PS, IS, or 'backbone'.
        dataset (str): Dataset of the published values, or the last dataset of
            the training.
        metrics (dict[str, float]): Published values, in percent, by metric;
            for the weights of this project, measured values.
        sha256 (str, optional): Check sum of the file or a prefix of it.
        note (str): Peculiarity that the user should know, or ''.
    """

    name: str
    url: str
    code_base: str
    licence: str
    config: str | None = None
    aliases: tuple[str, ...] = ()
    task: str = ''
    dataset: str = ''
    metrics: dict[str, float] = {}
    sha256: str | None = None
    note: str = ''

    @property
    def is_backbone(self) -> bool:
        """Whether the weights are of a backbone, not of a whole model."""
        return self.config is None

    @property
    def config_path(self) -> Path | None:
        """Config file of the model, None for weights of a backbone."""
        root = find_root()
        if self.config is None or root is None:
            return None
        return root / 'configs' / self.config

    @property
    def link(self) -> str:
        """Link that a browser can open."""
        if self.url.startswith(DRIVE):
            return drive_link(self.url.removeprefix(DRIVE))
        return self.url


def drive_link(file_id: str) -> str:
    """Return the link to the page of a file on Google Drive."""
    return f'https://drive.google.com/file/d/{file_id}'


def find_root() -> Path | None:
    """Find the folder with ``configs``, None if there is none."""
    for root in _ROOTS:
        if (root / 'configs/maxtron/metafile.yml').is_file():
            return root
    return None


def list_weights(task: str | None = None) -> list[str]:
    """List the names of released weights.

    Args:
        task (str, optional): 'VPS', 'VIS', 'PS', 'IS' or 'backbone'. Defaults
            to None: all models, without the backbones.

    Returns:
        list[str]: Names for :func:`find_weights`.

    Raises:
        InputError: If the task is unknown.
    """
    known = (*TASKS.values(), 'backbone')
    if task is not None and task not in known:
        raise InputError(
            f'{task} is not a task with weights. The tasks are '
            f'{", ".join(known)}.'
        )
    return [
        entry.name
        for entry in read_registry()
        if (entry.task == task if task else not entry.is_backbone)
    ]


def find_weights(name: str) -> ReleasedWeights:
    """Find released weights by name.

    Args:
        name (str): A name of :func:`list_weights`, or the name of the config
            without folder and suffix. Upper and lower case are equal.

    Returns:
        ReleasedWeights: The entry of the registry.

    Raises:
        CheckpointError: If the name is unknown. The message has the nearest
            names.
    """
    names = _names()
    wanted = os.fspath(name).lower()
    if wanted in names:
        return names[wanted]
    if not names:
        raise CheckpointError(
            f'{name} is unknown: this installation has no configs and '
            'therefore no names of weights. Install the project by pip, or '
            'give a file or a URL.'
        )
    near = [known for known in names if wanted in known]
    near += difflib.get_close_matches(wanted, names, 6, 0.4)
    nearest = list(dict.fromkeys(names[n].name for n in near))[:3]
    advice = f'The nearest names are {", ".join(nearest)}. ' if near else ''
    raise CheckpointError(
        f'There are no released weights named {name}. {advice}'
        '"maxtron models" prints all.'
    )


def find_model_weights(name: str) -> ReleasedWeights:
    """Find released weights of a whole model, see :func:`find_weights`.

    Raises:
        InputError: If the name is that of a backbone.
    """
    entry = find_weights(name)
    if entry.is_backbone:
        raise InputError(
            f'{name} is the name of a backbone, not of a whole model. '
            '"maxtron models" prints the models.'
        )
    return entry


def find_by_url(url: str) -> ReleasedWeights | None:
    """Find the first released weights with an address, or None."""
    return next((e for e in read_registry() if e.url == url), None)


@cache
def read_registry() -> tuple[ReleasedWeights, ...]:
    """Read the registry from the metafiles.

    Returns:
        tuple[ReleasedWeights, ...]: Models, then backbones, in the
        order of the metafiles.
    """
    root = find_root()
    if root is None:
        return ()
    configs = root / 'configs'
    files = sorted(configs.glob('*/metafile.yml'))
    files += configs.glob('_base_/backbones.yml')
    return tuple(
        entry
        for path in files
        for model in yaml.load(path.read_text('utf-8'), _Loader)['Models']
        for entry in _read_model(model)
    )


def _read_model(model: dict[str, Any]) -> Iterator[ReleasedWeights]:
    """Read the weights that an entry of a metafile lists."""
    config = model.get('Config')
    aliases = _as_list(model.get('Alias'))
    results = model.get('Results', [])
    # The values of this project's own weights are its measurements.
    suffixes = [_PUBLISHED, _MEASURED]
    suffix, other = suffixes if 'Released' in model else suffixes[::-1]
    values = {
        key.removesuffix(suffix): value
        for result in results
        for key, value in result['Metrics'].items()
        if not key.endswith(other)
    }
    data = _as_list(model.get('Metadata', {}).get('Training Data'))
    dataset = results[0]['Dataset'] if results else (data or ['ImageNet'])[-1]
    items: list[dict[str, Any]] = model.get('Released', [])
    if not items and 'Weights' in model:  # this project's own
        items = [{'Code Base': 'maxtron', 'Licence': 'Apache-2.0'}]
    for item in items:
        drive = item.get('Google Drive')
        names = [*aliases, model['Name']]
        if 'Name' in item:
            # The name of the config means its only weights.
            names = [item['Name'], *(names if len(items) == 1 else ())]
        yield ReleasedWeights(
            name=names[0],
            url=f'{DRIVE}{drive}' if drive else _as_list(model['Weights'])[0],
            code_base=item['Code Base'],
            licence=item['Licence'],
            config=config and config.removeprefix('configs/'),
            aliases=tuple(names[1:]),
            task=_read_task(config, [item, *results]),
            dataset=dataset,
            metrics=item.get('Metrics', values),
            sha256=item.get('SHA256'),
            note=item.get('Note', ''),
        )


def _read_task(config: str | None, parts: list[dict[str, Any]]) -> str:
    """Return the task of an entry; a panoptic model has others, too."""
    if config is None:
        return 'backbone'
    tasks = {part.get('Task') for part in parts}
    return next((TASKS[task] for task in TASKS if task in tasks), '')


def _as_list(value: str | list[str] | None) -> list[str]:
    """Return a list; metafiles may have one value instead, or none."""
    return [value] if isinstance(value, str) else list(value or ())


@cache
def _names() -> dict[str, ReleasedWeights]:
    """Map all names and aliases, in lower case, to their weights."""
    names: dict[str, ReleasedWeights] = {}
    for entry in read_registry():
        for name in (entry.name, *entry.aliases):
            names.setdefault(name.lower(), entry)
    return names
