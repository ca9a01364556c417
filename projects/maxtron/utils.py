# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Atomic writes of files, and order and names of files."""

import json
import os
import os.path as osp
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from mmengine.dist import get_rank

_FOREIGN_FILES = ('thumbs.db', 'desktop.ini')
_SUFFIX = re.compile(r'\.[A-Za-z]\w*$')


def natural_key(path: str | os.PathLike) -> list:
    """Make a key that sorts numbers by value: 2.jpg before 10.jpg.

    All parts of the project order frames by this key, both names and paths
    with folders. Names with and without suffix have the same order: a.jpg
    comes before a-1.jpg, as a before a-1. The order is unique even for names
    that differ only in case, in leading zeros or in the suffix.

    Args:
        path (str | PathLike): Name or path of a file.

    Returns:
        list: Key for ``sorted``.
    """
    text = os.fspath(path).replace('\\', '/')
    # The split alternates text and digits, so equal types are compared.
    key = [
        [
            int(part) if part.isdecimal() else part.lower()
            for part in re.split(r'(\d+)', name)
        ]
        for name in _SUFFIX.sub('', text).split('/')
    ]
    return [key, text]


def is_foreign_file(name: str) -> bool:
    """Return whether a file of a folder belongs to the operating system.

    Args:
        name (str): Name of the file, without folder.

    Returns:
        bool: True for hidden files such as ``.DS_Store`` and ``._0.jpg``,
        for ``Thumbs.db`` and for ``desktop.ini``.
    """
    return name.startswith('.') or name.lower() in _FOREIGN_FILES


def relative_name(path: str | os.PathLike, root: str | os.PathLike) -> str:
    """Name a file or folder by its path below a root.

    Outputs get their names by this rule: two inputs below the same root never
    share a name. A path outside of the root is named by all of its folders.

    Args:
        path (str | PathLike): The file or folder.
        root (str | PathLike): The folder that contains all inputs.

    Returns:
        str: Path with '/', relative, without '..': ``'SEQ/img1/000001.jpg'``.
    """
    parts, root_parts = (
        PurePosixPath(osp.normpath(os.fspath(p)).replace('\\', '/')).parts
        for p in (path, root)
    )
    root_parts = () if root_parts == ('.',) else root_parts
    if len(parts) > len(root_parts) and (
        parts[: len(root_parts)] == root_parts
    ):
        parts = parts[len(root_parts) :]
    return '/'.join(
        part.replace(':', '') for part in parts if part.strip('/.')
    )


def distinct_stems(names: Sequence[str]) -> list[str]:
    """Remove the suffix of names, unless two would then be equal.

    Args:
        names (Sequence[str]): Different names of files, with folders or not.

    Returns:
        list[str]: The names without suffix. If two files differ only in the
        suffix or in case: the unchanged names.
    """
    stems = [osp.splitext(name)[0] for name in names]
    are_distinct = len({stem.casefold() for stem in stems}) == len(names)
    return stems if are_distinct else list(names)


def part_path(path: str | os.PathLike) -> str:
    """Name a file that is not complete.

    Samplers repeat videos so that every process of a distributed test has the
    same number. Two processes may therefore write the same file at the same
    time. Each process uses a different name until the file is complete.

    Args:
        path (str | PathLike): Name of the complete file.

    Returns:
        str: ``out.part.mp4`` for ``out.mp4``, because writers depend on the
        suffix. On rank 1 ``out.part1.mp4``, and so on.
    """
    stem, suffix = osp.splitext(path)
    return f'{stem}.part{get_rank() or ""}{suffix}'


class WriteError(OSError):
    """A file cannot be written. The message states its name and the reason."""


@contextmanager
def writing(path: str | os.PathLike, any_file: bool = False) -> Iterator[None]:
    """Name a file in the errors of the block that writes it.

    Args:
        path (str | PathLike): Name of the complete file.
        any_file (bool): Whether the block writes only this file, its folder
            and temporary files. Defaults to False: errors about other files
            are not changed.

    Raises:
        WriteError: If the system cannot write, for instance because the disk
            is full.
    """
    try:
        yield
    except OSError as error:
        names = {None, os.fspath(path), part_path(path)}
        other = error.filename and str(error.filename).removeprefix('file:')
        is_other = not any_file and other not in names
        if isinstance(error, WriteError) or is_other:
            raise
        raise WriteError(
            f'{path} cannot be written: {error.strerror or error}.'
        ) from error


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[str]:
    """Write a file to a temporary name; rename it when it is complete.

    The folder is created if needed. An older file is kept until the
    block ends, and if an error ends it.

    Args:
        path (str | PathLike): Name of the file.

    Yields:
        str: Path to write to, see :func:`part_path`.

    Raises:
        WriteError: If the file cannot be written.
    """
    make_parent(path)
    part = part_path(path)
    try:
        with writing(path):
            yield part
            os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.remove(part)
        raise


def make_parent(path: str | os.PathLike) -> None:
    """Make the folder of a file that will be written.

    Args:
        path (str | PathLike): Name of the file.

    Raises:
        WriteError: If the folder cannot be made.
    """
    with writing(path, any_file=True):
        os.makedirs(osp.dirname(osp.abspath(path)), exist_ok=True)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file (UTF-8) as :func:`atomic_path` does.

    Args:
        text (str): Content.
        path (str | PathLike): Name of the file.

    Raises:
        WriteError: If the file cannot be written.
    """
    with atomic_path(path) as part:
        Path(part).write_text(text, 'utf-8')


def dump_json(
    content: Any, path: str | os.PathLike, indent: int | None = None
) -> None:
    """Write a JSON file as :func:`atomic_path` does.

    Args:
        content (Any): Content.
        path (str | PathLike): Name of the file.
        indent (int, optional): Spaces per level; None: a single line.
            Defaults to None.

    Raises:
        WriteError: If the file cannot be written.
    """
    write_text(json.dumps(content, indent=indent), path)


def write_image(
    path: str | os.PathLike, image: np.ndarray, options: Sequence[int] = ()
) -> None:
    """Write an image file as :func:`atomic_path` does.

    ``cv2.imwrite`` reports success if the disk is full, and leaves an empty
    file, when the image is smaller than a buffer of the system.

    Args:
        path (str | PathLike): Name of the file; its suffix chooses the
            format.
        image (np.ndarray): Grey or BGR, uint8 or uint16.
        options (Sequence[int]): See :func:`cv2.imencode`. Defaults to ().

    Raises:
        WriteError: If the file cannot be written.
    """
    _, content = cv2.imencode(
        osp.splitext(path)[1], np.ascontiguousarray(image), list(options)
    )
    with atomic_path(path) as part:
        Path(part).write_bytes(content.tobytes())


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
