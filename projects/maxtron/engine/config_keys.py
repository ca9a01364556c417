# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check whether a key of a config is read."""

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

import mmdet.registry
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..errors import InputError

# Callables that read parts of the config without ``type``.
_READERS = {
    '': Runner,
    'randomness': Runner.set_randomness,
    'optim_wrapper': OptimWrapper,
    'train_dataloader': DataLoader,
    'val_dataloader': DataLoader,
    'test_dataloader': DataLoader,
}
# Minimum similarity of a misspelled key and the intended key of the same dict.
# The similarity of num_layers and num_levels, or max_per_video and
# max_per_frame, is lower.
_MISSPELT = 0.8
# Keys that MMEngine's runner reads from the config, although they are not its
# arguments.
_TOP_LEVEL = (
    'runner_type',
    'model_wrapper_cfg',
    'find_unused_parameters',
    'sync_bn',
    'allow_tf32',
    'compile',
    'custom_imports',
)


def check_option_key(tree: dict, option: str) -> None:
    """Follow a dotted key through a config.

    Args:
        tree (dict): The config.
        option (str): The key.

    Raises:
        InputError: If the key is not read. The message names the closest keys.
    """
    node: Any = tree
    parts = option.split('.')
    for depth, part in enumerate(parts):
        where = '.'.join(parts[:depth])
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, dict):
            if _is_read(node, where, part):
                return
            raise InputError(_unknown_key(tree, node, option, where, part))
        elif isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                raise InputError(
                    f'"{part}" in the option "{option}" is not an index of '
                    f'"{where}", a list with {len(node)} entries: 0 to '
                    f'{len(node) - 1}.'
                )
            node = node[int(part)]
        elif node is None:
            return  # A part that is switched off may be configured.
        else:
            raise InputError(
                f'The option "{option}" goes into "{where}", which is '
                f'{node!r} in the config and has no parts.'
            )


def find_node(tree: Any, key: str) -> Any:
    """Find a value by its dotted key.

    Args:
        tree (Any): The config: nested dicts and lists.
        key (str): The key.

    Returns:
        Any: The value; None if the key does not exist.
    """
    for part in key.split('.'):
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, (list, tuple)) and part.isdigit():
            tree = tree[int(part)] if int(part) < len(tree) else None
        else:
            return None
    return tree


def walk_config(node: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """List the dotted keys of a config.

    Args:
        node (Any): The config: nested dicts and lists.
        prefix (str): Prefix of each key. Defaults to ''.

    Yields:
        tuple[str, Any]: A key, and the dict or list that contains it.
    """
    items: Iterator = iter(())
    if isinstance(node, dict):
        items = iter(node.items())
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        yield f'{prefix}{key}', node
        yield from walk_config(value, f'{prefix}{key}.')


def find_classes(name: Any) -> list:
    """Find the classes that a ``type`` may refer to, in all registries.

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
    """List the argument names of a callable and its base classes.

    A base class is included if its sub-class takes ``**kwargs``.

    Args:
        reader (Any): A class or another callable.

    Yields:
        str: Name of an argument; a name may be repeated. The last one is
        ``'**'`` if the callable takes further names and passes them on.
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


def _is_read(node: dict, where: str, key: str) -> bool:
    """Return whether the object that is built from a dict takes a key."""
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


def _unknown_key(
    tree: dict, node: dict, option: str, where: str, part: str
) -> str:
    """Explain that a key does not exist, and suggest similar ones."""
    prefix = f'{where}.' if where else ''
    near = [
        f'{prefix}{key}'
        for key in difflib.get_close_matches(part, map(str, node), n=3)
    ]
    if not near:  # perhaps the right name in the wrong place
        last = option.split('.')[-1]
        paths = (path for path, _ in walk_config(tree))
        near = [path for path in paths if path.split('.')[-1] == last]
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
