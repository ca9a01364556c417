# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Errors about the input of a user: files, configs and options."""

import re


class InputError(ValueError):
    """A user's file, setting or option cannot be used.

    The message names the place and the remedy. Tools print it as one line, see
    :func:`~projects.maxtron.engine.cli.report_errors`. Any other error is a
    fault of the program and keeps its traceback.
    """


class ConfigFileError(InputError):
    """A config file cannot be read or run."""


class ConfigKeyError(InputError, TypeError):
    """A key of the config is missing, or it is not read."""


class CheckpointError(InputError):
    """A checkpoint cannot be used. The message is written for the user."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """A checkpoint does not exist."""


def error_message(error: BaseException) -> str:
    """Return the original message of an error.

    The data loader of PyTorch raises errors of its worker processes again with
    the worker's traceback as message.

    Args:
        error (BaseException): The error, from this process or from a worker.

    Returns:
        str: The message without a traceback.
    """
    text = str(error)
    if '\nOriginal Traceback (most recent call last):\n' not in text:
        return text
    # "package.module.InputError: message" ends the traceback
    head = rf'^(?:\w+\.)*{re.escape(type(error).__name__)}: '
    return re.split(head, text, flags=re.MULTILINE)[-1].rstrip()
