# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check of the sections of a config that a program reads."""

from collections.abc import Mapping

from mmengine.config import Config

from ..errors import ConfigKeyError


def check_sections(
    cfg: Config, sections: Mapping[str, str | None], remedy: str
) -> None:
    """Check that a config has certain sections and that they are complete.

    Args:
        cfg (Config): The config.
        sections (Mapping[str, str | None]): For each section the key that it
            must have as a dict, such as ``dict(model='type')``; None if the
            section is not a dict or has no such key.
        remedy (str): Advice if a section is missing.

    Raises:
        ConfigKeyError: If a section is missing or incomplete.
    """
    name = cfg.filename or 'The config'
    missing = [section for section in sections if cfg.get(section) is None]
    if missing:
        raise ConfigKeyError(f'{name} has no {", ".join(missing)}: {remedy}')
    for section, key in sections.items():
        if key is None:
            continue
        node = cfg[section]
        if not isinstance(node, dict):
            raise ConfigKeyError(
                f'{name}: "{section}" is {node!r}, but must be a dict with '
                f'the key "{key}".'
            )
        if node.get(key) is None:
            raise ConfigKeyError(
                f'{name}: "{section}" has no "{key}". Add it to '
                f'{section}=dict({key}=...).'
            )
