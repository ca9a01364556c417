# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loads a config, and refuses options that nothing would read."""

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmdet.registry
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

# Which callable reads a part of the config that has no ``type``.
_READERS = {
    '': Runner,
    'randomness': Runner.set_randomness,
    'optim_wrapper': OptimWrapper,
    'train_dataloader': DataLoader,
    'val_dataloader': DataLoader,
    'test_dataloader': DataLoader,
}
# How alike two keys of one dict must be for one to be taken for a misspelt
# other. num_layers and num_levels, or max_per_video and max_per_frame, differ
# more.
_MISSPELT = 0.8
# Read from the config by MMEngine's runner, not among its arguments.
_TOP_LEVEL = (
    'runner_type',
    'model_wrapper_cfg',
    'find_unused_parameters',
    'sync_bn',
    'compile',
    'custom_imports',
)


def load_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Load a config file and merge options given on a command line.

    Args:
        path (str): The config file.
        options (Mapping[str, Any], optional): Values by dotted key, as from
            MMEngine's ``DictAction``. A key that begins with a plus is added
            without a check.

    Returns:
        Config: The merged config.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An option has a key that the config does not have, or
            cannot be merged into what is there.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'Config not found: {path}{_similar_files(Path(path))}'
        )
    cfg = Config.fromfile(path)
    if options:
        try:
            cfg.merge_from_dict(check_options(cfg, options))
        except TypeError as error:  # as MMEngine says it
            raise ValueError(f'--cfg-options: {error}') from error
    return cfg


def check_options(cfg: Config, options: Mapping[str, Any]) -> dict:
    """Check that every option changes something that is read.

    A key is right if the config has it, or if the class that is built there
    takes it; an option may choose another class by the key ``type``. What
    reads a dict without ``type``, or the ``**kwargs`` of a class, is mostly
    not known before it is built, and then complains itself: there a key is
    right unless it is nearly another.

    Args:
        cfg (Config): Config before the options are merged.
        options (Mapping[str, Any]): Values by dotted key.

    Returns:
        dict: The options, without the leading plus of those added on purpose.

    Raises:
        ValueError: Neither is so. The message names the closest keys.
    """
    tree = Config(cfg.to_dict())
    types = {
        option: value
        for option, value in options.items()
        if option.split('.')[-1] == 'type' and isinstance(value, str)
    }
    # Types first: which keys there are depends on them.
    _check_options(tree, types)
    tree.merge_from_dict(
        {option.lstrip('+'): value for option, value in types.items()}
    )
    _check_options(tree, options)
    return {option.lstrip('+'): value for option, value in options.items()}


def _check_options(cfg: Config, options: Iterable[str]) -> None:
    """Check options that are not added on purpose."""
    tree = cfg.to_dict()
    for option in options:
        if not option.startswith('+'):
            _check_option(tree, option)


def _check_option(tree: dict, option: str) -> None:
    """Follow one dotted key through the config."""
    node: Any = tree
    parts = option.split('.')
    for depth, part in enumerate(parts):
        where = '.'.join(parts[:depth])
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, dict):
            if _is_read(node, where, part):
                return
            raise ValueError(_unknown_key(tree, node, option, where, part))
        elif isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                raise ValueError(
                    f'"{part}" in the option "{option}" is not an index of '
                    f'"{where}", a list with {len(node)} entries: 0 to '
                    f'{len(node) - 1}.'
                )
            node = node[int(part)]
        elif node is None:
            return  # what was switched off may be given its parts
        else:
            raise ValueError(
                f'The option "{option}" goes into "{where}", which is '
                f'{node!r} in the config and has no parts.'
            )


def _is_read(node: dict, where: str, key: str) -> bool:
    """Whether what is built from a part of the config takes a key."""
    if not where and key in _TOP_LEVEL:
        return True
    name = node.get('type')
    if name is None:
        readers = [_READERS[where]] if where in _READERS else []
    else:
        readers = find_classes(name)
    known = {name for reader in readers for name in argument_names(reader)}
    if key in known or (readers and '**' not in known):
        return key in known
    return not difflib.get_close_matches(key, map(str, node), cutoff=_MISSPELT)


def find_classes(name: Any) -> list:
    """Find the classes that a ``type`` may mean, in all registries.

    Args:
        name (Any): The ``type``: a registered name, or the class itself.

    Returns:
        list: Classes or functions; empty if the name is not registered.
    """
    if not isinstance(name, str):
        return [name]
    registries = [
        registry
        for registry in vars(mmdet.registry).values()
        if isinstance(registry, Registry)
    ]
    found = [registry.get(name) for registry in registries]
    return [item for item in found if item is not None]


def argument_names(reader: Any) -> Iterator[str]:
    """List the argument names of a callable, up its base classes.

    A base class counts as long as the class below it takes ``**kwargs``.

    Args:
        reader (Any): A class or another callable.

    Yields:
        str: Name of an argument; one may come more than once. ``'**'`` at
        last, where other names are taken too, and handed on to who knows.
    """
    readers = [reader]
    if inspect.isclass(reader):
        readers = [
            vars(base)['__init__']
            for base in reader.__mro__[:-1]
            if '__init__' in vars(base)
        ]
    is_open = False
    for function in readers:
        parameters = inspect.signature(function).parameters
        yield from parameters
        is_open = any(
            item.kind is item.VAR_KEYWORD for item in parameters.values()
        )
        if not is_open:
            return
    if is_open:
        yield '**'


def _unknown_key(
    tree: dict, node: dict, option: str, where: str, part: str
) -> str:
    """Say that a key does not exist, and which one may have been meant."""
    prefix = f'{where}.' if where else ''
    near = [
        f'{prefix}{key}'
        for key in difflib.get_close_matches(part, map(str, node), n=3)
    ]
    if not near:  # perhaps the right name at the wrong place
        last = option.split('.')[-1]
        near = [path for path, _ in _walk(tree) if path.split('.')[-1] == last]
    hint = (
        f' Did you mean {" or ".join(near[:3])}?'
        if near
        else (f' "{where or "the config"}" has: {", ".join(map(str, node))}.')
    )
    name = f' ({node["type"]})' if 'type' in node else ''
    return (
        f'The option "{option}" names a key that does not exist: '
        f'"{where or "the top level of the config"}"{name} has no "{part}".'
        f'{hint} To add a new key on purpose, write +{option}=VALUE.'
    )


def _walk(node: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """List the dotted keys of a config, with the dict or list they are in."""
    items: Iterator = iter(())
    if isinstance(node, dict):
        items = iter(node.items())
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        yield f'{prefix}{key}', node
        yield from _walk(value, f'{prefix}{key}.')


@contextmanager
def explain_unknown_arguments(cfg: Config) -> Iterator[None]:
    """Say where in the config an argument is that a class does not take.

    What is built from the config is built here and there, and Python tells
    the class that refused the argument, often a base class, and nothing else.

    Args:
        cfg (Config): The config that things are built from in this context.

    Raises:
        TypeError: As raised in the context, with the place in the config,
            the class and its file added.
    """
    try:
        yield
    except TypeError as error:
        text = _find_unknown_argument(cfg.to_dict(), str(error))
        if text is None:
            raise
        raise TypeError(text) from error


def _find_unknown_argument(tree: dict, error: str) -> str | None:
    """Find the argument of Python's error message in a config.

    Of a dict without ``type``, which is handed on to somewhere, only the place
    can be told, and what Python said.
    """
    match = re.search(r"unexpected keyword argument '(\w+)'", error)
    if match is None:
        return None
    name = match[1]
    places = []
    for path, node in _walk(tree):
        where, _, key = path.rpartition('.')
        if key != name or not where:
            continue
        if 'type' not in node:
            places.append(f'"{where}"')
            continue
        for reader in find_classes(node['type']):
            known = list(argument_names(reader))
            if name in known or '**' in known:
                continue
            near = difflib.get_close_matches(name, known, n=3)
            hint = f' Did you mean {" or ".join(near)}?' if near else ''
            return (
                f'"{where}" in the config has the key "{name}", which '
                f'{reader.__name__} ({inspect.getsourcefile(reader)}) '
                f'does not take.{hint}'
            )
    if not places:
        return None
    return (
        f'{" or ".join(places[:3])} in the config has the key "{name}", '
        f'which is not known there: {error}'
    )


def _similar_files(path: Path) -> str:
    """Name config files that are called nearly like one not found."""
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    if folder in (Path('.'), Path('/')):
        return ''
    names = {str(file): file for file in folder.rglob('*.py')}
    near = difflib.get_close_matches(str(path), names, n=2, cutoff=0.8)
    return f'. Did you mean {" or ".join(near)}?' if near else ''
