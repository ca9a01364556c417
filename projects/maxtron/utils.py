# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Files that are there completely, or not at all."""

import os
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def part_path(path: str | os.PathLike) -> str:
    """Name a file that is not complete yet.

    Args:
        path (str | PathLike): Name of the complete file.

    Returns:
        str: ``out.part.mp4`` for ``out.mp4``: writers go by the suffix.
    """
    stem, suffix = osp.splitext(path)
    return f'{stem}.part{suffix}'


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[str]:
    """Let a file be written beside its place, and put it there when complete.

    What was there before stays until then, and also if an error ends the
    block; the file beside is then removed.

    Args:
        path (str | PathLike): Name of the file.

    Yields:
        str: Path to write to, see :func:`part_path`.
    """
    part = part_path(path)
    try:
        yield part
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(part)
        raise
    os.replace(part, path)
