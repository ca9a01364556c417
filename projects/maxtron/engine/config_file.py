# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reading of a config file, with one line for each of its faults."""

import os.path as osp
import tempfile
import traceback
from types import FrameType

from mmengine.config import Config

from ..errors import ConfigFileError


def read_config_file(path: str) -> Config:
    """Read a config file with its bases and import its custom modules.

    Args:
        path (str): The file.

    Returns:
        Config: The config.

    Raises:
        ConfigFileError: If the file, a base or a custom module cannot be read
            or run, or no folder for temporary files is writable. The message
            names the file and the line at fault.
    """
    _check_temporary_folder(path)
    try:
        return Config.fromfile(path)
    except (
        Exception
    ) as error:  # A config is a program and may raise any error.
        raise ConfigFileError(_explain(path, error)) from error


def _check_temporary_folder(path: str) -> None:
    """Check that MMEngine can copy the config to a temporary folder."""
    try:
        with tempfile.TemporaryDirectory():
            pass
    except OSError as error:
        raise ConfigFileError(
            f'{path} cannot be read, because no temporary copy of it can be '
            f'written ({error}). Free some space, or set the environment '
            'variable TMPDIR to a folder that is writable.'
        ) from error


def _explain(path: str, error: Exception) -> str:
    """Explain the error of a config file: place, cause and remedy."""
    frames = list(traceback.walk_tb(error.__traceback__))
    names = [frame.f_code.co_name for frame, _ in frames]
    is_import = isinstance(error, ImportError) and error.__cause__ is not None
    if is_import or 'import_modules_from_strings' in names[:-1]:
        return _explain_import(path, error)
    # Files that are being read, from the config to its innermost base.
    files = [path] + [
        osp.normpath(frame.f_locals['filename'])
        for frame, _ in frames
        if frame.f_code.co_name == '_file2dict'
    ]
    if len(files) > 2 and not osp.exists(files[-1]):
        return (
            f'{files[-2]}: the base {files[-1]} does not exist. Correct '
            '_base_ of the config.'
        )
    place = _place(files[-1], error, frames)
    return f'{place}: {_describe(error)}. Correct the config.'


def _explain_import(path: str, error: BaseException) -> str:
    """Explain why the import of a custom module fails."""
    # MMEngine's messages list all of sys.path and hide the actual error.
    while isinstance(error, ImportError) and error.__context__ is not None:
        error = error.__context__
    frames = list(traceback.walk_tb(error.__traceback__))
    module = frames[-1][0].f_code.co_filename
    if isinstance(error, ModuleNotFoundError) and not osp.isfile(module):
        remedy = (
            'Correct custom_imports, or add the folder of the module to the '
            'environment variable PYTHONPATH.'
        )
        return f'{path}: custom_imports: {_describe(error)}. {remedy}'
    place = _place(module, error, frames)
    return (
        f'{path}: custom_imports: {_describe(error)} in {place}. Correct the '
        'module.'
    )


def _place(
    file: str, error: BaseException, frames: list[tuple[FrameType, int]]
) -> str:
    """Name a file and, if known, the line that raised the error."""
    lines = [
        line for frame, line in frames if frame.f_code.co_filename == file
    ]
    if isinstance(error, SyntaxError):
        if error.filename not in (None, '<unknown>'):
            file = str(error.filename)
        lines = [error.lineno or 1]
    return f'{file}, line {lines[-1]}' if lines else file


def _describe(error: BaseException) -> str:
    """Describe an error in one line."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # str() of the error would add quotes.
    text = ' '.join(text.split()).rstrip('.')
    if isinstance(error, OSError):
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
