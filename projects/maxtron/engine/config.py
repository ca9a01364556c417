# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Loading of a config with the options of a command line."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import InputError
from .config_file import read_config_file
from .config_keys import check_option_key, find_node
from .option_action import CommaList, split_path_list


def load_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Load a config file and merge options given on a command line.

    Args:
        path (str): The config file.
        options (Mapping[str, Any], optional): Values by dotted key, see
            :func:`merge_cfg_options`.

    Returns:
        Config: The merged config.

    Raises:
        FileNotFoundError: If the file does not exist.
        ConfigFileError: If the file cannot be read or run.
        InputError: If an option does not fit the config.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'Config not found: {path}{_similar_files(Path(path))}'
        )
    cfg = read_config_file(path)
    if options:
        merge_cfg_options(cfg, options)
    return cfg


def merge_cfg_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Check options and merge them into a config.

    Args:
        cfg (Config): The config, changed in place.
        options (Mapping[str, Any]): Values by dotted key, as
            :class:`OptionAction` reads them. A key that begins with a plus
            is added without a check.

    Raises:
        InputError: If an option has an unknown key, or cannot be merged into
            the value of the config.
    """
    try:
        check_cfg_options(cfg, options)
        cfg.merge_from_dict(parse_cfg_options(cfg, options))
    except TypeError as error:  # The message of MMEngine names the key.
        raise InputError(f'--cfg-options: {error}') from error


def check_cfg_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Check that every option changes a value that is read.

    A key is valid if it exists in the config or is an argument of the class
    configured there; an option may choose another class by the key ``type``.
    For dicts without ``type`` and for ``**kwargs`` the valid keys are
    unknown; only near-misses of existing keys are rejected.

    Args:
        cfg (Config): Config before the options are merged.
        options (Mapping[str, Any]): Values by dotted key.

    Raises:
        InputError: If a key is not valid. The message names the closest keys.
    """
    tree = Config(cfg.to_dict())
    types = {
        option: value
        for option, value in options.items()
        if option.split('.')[-1] == 'type' and isinstance(value, str)
    }
    _check_keys(
        tree, types
    )  # Types come first, as the valid keys depend on them.
    tree.merge_from_dict(
        {option.lstrip('+'): value for option, value in types.items()}
    )
    _check_keys(tree, options)


def parse_cfg_options(cfg: Config, options: Mapping[str, Any]) -> dict:
    """Convert options to the arguments of ``Config.merge_from_dict``.

    The value in the config determines the meaning of commas without brackets:
    part of a text if the value is a text, separators if it is a list.

    Args:
        cfg (Config): Config before the options are merged.
        options (Mapping[str, Any]): Values by dotted key.

    Returns:
        dict: Values by dotted key, without a leading plus.
    """
    tree = cfg.to_dict()
    parsed = {}
    for option, value in options.items():
        key = option.lstrip('+')
        current = find_node(tree, key)
        if isinstance(value, CommaList):
            value = value.text if isinstance(current, str) else list(value)
        elif isinstance(value, str) and isinstance(current, (list, tuple)):
            if ',' in value:
                value = split_path_list(value)
        parsed[key] = value
    return parsed


def _check_keys(cfg: Config, options: Mapping[str, Any]) -> None:
    """Check the keys without a leading plus."""
    tree = cfg.to_dict()
    for option in options:
        if not option.startswith('+'):
            check_option_key(tree, option)


def _similar_files(path: Path) -> str:
    """Suggest config files with names similar to a missing file."""
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    if folder in (Path('.'), Path('/')):
        return ''
    names = {str(file): file for file in folder.rglob('*.py')}
    near = difflib.get_close_matches(str(path), names, n=2, cutoff=0.8)
    return f'. Did you mean {" or ".join(near)}?' if near else ''
