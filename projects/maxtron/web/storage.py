# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Storage of uploads and results: its limit, and removal of old files."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from .jobs import Limits


def check_storage(folder: Path, limits: Limits, more: int = 0) -> None:
    """Remove old files, and check that there is room for new ones.

    Args:
        folder (Path): Folder of all uploads and results.
        limits (Limits): Limits of the server.
        more (int): Bytes that will be written. Defaults to 0.

    Raises:
        InputError: If the files would take more than the limit.
    """
    remove_old(folder, limits.minutes * 60)
    if folder_size(folder) + more > limits.storage * 10**6:
        raise InputError('The server is full: try again in some minutes.')


def folder_size(folder: Path) -> int:
    """Add up the sizes of all files below a folder, in bytes."""
    size = 0
    for path in folder.rglob('*'):
        with suppress(OSError):  # It was removed meanwhile.
            size += path.lstat().st_size
    return size


def remove_old(folder: Path, seconds: float) -> None:
    """Remove what was not changed for some time from a folder."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def remove_parts(folder: Path) -> None:
    """Remove the parts of uploads, which Gradio leaves if they are given up.

    They are files of the folder itself. Complete uploads and results are in
    folders of their own.
    """
    for path in folder.iterdir():
        if path.is_file():
            path.unlink(missing_ok=True)
