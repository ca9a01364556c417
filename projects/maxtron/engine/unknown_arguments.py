# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Explains which key of a config a class does not take."""

import difflib
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config

from ..errors import ConfigKeyError
from .config_keys import argument_names, find_classes, walk_config


@contextmanager
def explain_unknown_arguments(cfg: Config) -> Iterator[None]:
    """Explain which key or type of a config is unknown.

    Python names only the class that refused the argument, which is often a
    base class.

    Args:
        cfg (Config): The config that things are built from in this context.

    Raises:
        ConfigKeyError: The error of the context, with the place in the config,
            the class and its file added; or the config has a type that no
            registry knows.
    """
    try:
        yield
    except TypeError as error:
        text = _find_unknown_argument(cfg.to_dict(), str(error))
        if text is None:
            raise
        raise ConfigKeyError(text) from error
    except KeyError as error:
        text = _explain_unknown_type(str(error.args[0]) if error.args else '')
        if text is None:
            raise
        raise ConfigKeyError(text) from error


def _explain_unknown_type(error: str) -> str | None:
    """Shorten the message of a registry that lacks a class of a config."""
    match = re.match(r'(\S+) is not in the (\S+) registry', error)
    return match and (
        f'The config has type={match[1]!r}, but the registry {match[2]} has '
        'no class of this name: correct it, or name the module of the class '
        'in custom_imports of the config.'
    )


def _find_unknown_argument(tree: dict, error: str) -> str | None:
    """Find the argument of Python's error message in a config.

    For a dict without ``type`` the reader is unknown; the text then has the
    place and Python's message.
    """
    match = re.search(r"unexpected keyword argument '(\w+)'", error)
    if match is None:
        return None
    name = match[1]
    places = []
    for path, node in walk_config(tree):
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
