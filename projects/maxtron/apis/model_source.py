# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Models by config file or by the name of released weights."""

import os
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ..engine import load_config
from ..weights import find_model_weights

_SUFFIXES = ('.py', '.json', '.yml', '.yaml')


def find_model(
    model: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> tuple[Config, str | None]:
    """Find the config and the weights of a model.

    Args:
        model (str | PathLike): A config file, or a name of
            :func:`~projects.maxtron.weights.list_weights`.
        checkpoint (str | PathLike, optional): File, URL or name of the
            weights. Defaults to None: the weights that the name stands for,
            none for a config file.
        cfg_options (Mapping[str, Any], optional): Values that override the
            config, by dotted key.

    Returns:
        tuple[Config, str | None]: The config, and what
        :func:`~projects.maxtron.weights.resolve` takes.

    Raises:
        FileNotFoundError: If the config file does not exist.
        CheckpointError: If the name is unknown.
        InputError: If the name is that of a backbone.
    """
    text = os.fspath(model)
    if checkpoint is not None:
        checkpoint = os.fspath(checkpoint)
    is_path = text.endswith(_SUFFIXES) or os.path.exists(text) or '/' in text
    if is_path:
        return load_config(text, cfg_options), checkpoint
    entry = find_model_weights(text)
    config = load_config(str(entry.config_path), cfg_options)
    return config, checkpoint or entry.name
