# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Temporary names of results, and final names of complete results."""

import os
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...utils import WriteError, part_path, writing


def make_empty_folder(folder: str) -> None:
    """Make a folder, or check that it has no files.

    Raises:
        FileExistsError: If the folder has files.
        WriteError: If the folder cannot be made.
    """
    if osp.isdir(folder) and os.listdir(folder):
        raise FileExistsError(
            f'The folder {folder} is not empty, and its files would mix with '
            'the new ones. Empty it or give another folder.'
        )
    with writing(folder, any_file=True):
        os.makedirs(folder, exist_ok=True)


@contextmanager
def finishing(
    path: str, exc_type: type | None, is_empty: bool
) -> Iterator[str]:
    """Write the end of a file and give it its name.

    If an error other than Ctrl-C ended the writing, the file keeps ``.part``
    in its name. It is removed if it has no frame or cannot be written.

    Args:
        path (str): Name of the complete file.
        exc_type (type, optional): Error that ended the writing.
        is_empty (bool): Whether the file has no frame.

    Yields:
        str: Name of the file until the end of the block.

    Raises:
        WriteError: If the file cannot be written, unless another error ended
            the writing.
    """
    part = part_path(path)
    is_complete = exc_type is None or (
        issubclass(exc_type, KeyboardInterrupt) and not is_empty
    )
    keep = False
    try:
        with writing(path):
            yield part
            if is_complete:
                os.replace(part, path)
        keep = not is_empty
    except WriteError:
        if is_complete:
            raise
        # else the error that ended the writing is the one to report
    finally:
        if not keep:
            with suppress(OSError):
                os.remove(part)
