# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Download of weights into the cache."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..errors import CheckpointError
from ..utils import writing
from .cache import cached_path, check_hash, find_in_hub, hash_in_name, mirrored
from .file_damage import find_damage
from .google_drive import download_drive, drive_address
from .http_file import HTTPFile
from .registry import DRIVE, ReleasedWeights, find_root


def fetch(source: str | ReleasedWeights, progress: bool = True) -> Path:
    """Return the local file of weights; download it if needed.

    A download continues where an earlier one ended, and gets its final name
    when it is complete and its check sum is right. If two processes need the
    same file, one downloads and the other waits.

    Args:
        source (str | ReleasedWeights): URL (``http://``, ``https://``,
            or ``gdrive:ID``), or an entry of the registry.
        progress (bool): Whether to show a progress bar in a terminal.
            Defaults to True.

    Returns:
        Path: The file, see :func:`cache_folder`.

    Raises:
        CheckpointError: If the file cannot be downloaded or is not the right
            one.
        WriteError: If the cache cannot be written.
    """
    sha256 = None
    if isinstance(source, ReleasedWeights):
        sha256, url = source.sha256, source.url
        if ':' not in url:
            return _find_local(source)
    else:
        url = drive_address(source)
    path = cached_path(url)
    if path.is_file():
        return path
    known = find_in_hub(url)
    if known is not None:
        return known
    with writing(path, any_file=True):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if not path.is_file():  # Another process may have been faster.
            address = mirrored(url)
            _download(address, path, sha256 or hash_in_name(url), progress)
    return path


def _find_local(entry: ReleasedWeights) -> Path:
    """Find weights that are part of the repository."""
    root = find_root()
    path = Path(root or '.', entry.url)
    if path.is_file():
        return path
    raise CheckpointError(
        f'The weights {entry.name} are the file {entry.url} of the '
        'repository, which this installation does not have. Clone the '
        'repository.'
    )


def _download(
    url: str, path: Path, sha256: str | None, progress: bool
) -> None:
    """Download a file, check it, and give it its name."""
    part = path.with_name(f'{path.name}.part')
    print_log(f'Downloading {url} to {path}', logger='current')
    console = Console(stderr=True)
    progress = progress and console.is_terminal
    if url.startswith(DRIVE):
        download_drive(url.removeprefix(DRIVE), part, progress)
    else:
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, disable=not progress) as bar:
            task = bar.add_task(path.name, total=None)
            HTTPFile(url).download(
                part,
                lambda done, total: bar.update(
                    task, completed=done, total=total
                ),
            )
    if sha256:
        check_hash(part, sha256, url)
    else:
        _check_content(part, url)
    with writing(path):
        os.replace(part, path)


def _check_content(part: Path, url: str) -> None:
    """Refuse a damaged file, which the cache would offer for ever."""
    damage = find_damage(part)
    if damage is not None:
        part.unlink()
        raise CheckpointError(
            f'{url} was downloaded, but it is not a checkpoint: {damage}'
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let only one process at a time work on a file of the cache."""
    name = path.with_name(f'{path.name}.lock')
    lock = FileLock(name)
    with writing(name):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print_log(
                f'Another process downloads {path}. Waiting for it.',
                logger='current',
                level=logging.INFO,
            )
            lock.acquire()
    try:
        yield
        with suppress(OSError):
            name.unlink()
    finally:
        lock.release()
