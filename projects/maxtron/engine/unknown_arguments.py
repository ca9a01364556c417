# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Explanations of unknown and missing keys of a config."""

import difflib
import inspect
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config

from ..errors import ConfigKeyError, InputError
from .config_keys import argument_names, find_classes, find_node, walk_config

# Modules of MMEngine that read the config and build objects.
_BUILDERS = ('mmengine.registry', 'mmengine.runner.runner')
_NO_TYPE = r'contain the key "?type"?, but got (.*?)(?:\n|$)'
_NO_ARGUMENT = r'(\w+)\.__init__\(\) missing .* argument(?:s)?: (.*)'


@contextmanager
def explain_unknown_arguments(cfg: Config) -> Iterator[None]:
    """Explain which key or type of a config is unknown or missing.

    Python names only the class that refused the argument, which is often a
    base class.

    Args:
        cfg (Config): The config from which objects are built in the context.

    Raises:
        ConfigKeyError: If an argument is unknown: the error of the context
            with the place in the config, the class and its file. Also if the
            config has a type that no registry knows, lacks a key, or has a
            value of a wrong type.
    """
    try:
        yield
    except InputError:
        raise
    except (
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        message = str(error.args[0]) if error.args else ''
        text = None
        if isinstance(error, TypeError):
            text = _find_unknown_argument(cfg.to_dict(), message)
        elif isinstance(error, KeyError):
            text = _explain_unknown_type(cfg, message)
        if text is None and _is_raised_by_builder(error):
            text = _explain_wrong_value(cfg, message)
        if text is None:
            raise
        raise ConfigKeyError(text) from error


def _is_raised_by_builder(error: Exception) -> bool:
    """Return whether MMEngine raised an error while it read the config."""
    frame, _ = list(traceback.walk_tb(error.__traceback__))[-1]
    return frame.f_globals.get('__name__', '').startswith(_BUILDERS)


def _explain_wrong_value(cfg: Config, error: str) -> str:
    """Explain an error that MMEngine raised while it read the config."""
    name = cfg.filename or 'The config'
    tree = cfg.to_dict()
    values = [(path, find_node(tree, path)) for path, _ in walk_config(tree)]
    if match := re.search(_NO_TYPE, error):
        places = [f'"{path}"' for path, x in values if str(x) == match[1]]
        where = ' or '.join(places[:3]) or match[1]
        return (
            f'{name}: {where} has no "type". Add the name of its class as '
            'type=...'
        )
    if match := re.search(_NO_ARGUMENT, error):
        places = [
            f'"{path.removesuffix(".type")}", '
            for path, x in values
            if path.endswith('.type') and getattr(x, '__name__', x) == match[1]
        ]
        return (
            f'{name}: {"".join(places[:1])}{match[1]} lacks {match[2]}. Add '
            'it to the config.'
        )
    text = ' '.join(error.split()).rstrip('.')
    return f'{name} cannot be used: {text}. Correct the config.'


def _explain_unknown_type(cfg: Config, error: str) -> str | None:
    """Shorten a registry's message about an unknown class."""
    match = re.match(r'(\S+) is not in the (\S+) registry', error)
    return match and (
        f'{cfg.filename or "The config"} has type={match[1]!r}, but the '
        f'registry {match[2]} has no class of this name: correct it, or name '
        'the module of the class in custom_imports of the config.'
    )


def _find_unknown_argument(tree: dict, error: str) -> str | None:
    """Find the argument of Python's error message in a config.

    For a dict without ``type`` the reader is unknown. The text then contains
    the place and Python's message.
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
