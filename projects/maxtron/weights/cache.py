# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Cache folder of downloaded weights: names and check sums of its files."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import torch

from ..errors import CheckpointError
from ..utils import relative_name
from .registry import DRIVE

# The rule of torch.hub: "resnet50-0676ba61.pth".
_HASH = re.compile(r'-([0-9a-f]{8,64})\.[a-z]+$')
_DATE = re.compile(r'(19|20)\d{6}')


def cache_folder() -> Path:
    """Return the folder of downloaded weights.

    Returns:
        Path: ``$MAXTRON_HOME``, or ``maxtron`` in the folder of
        :func:`torch.hub.get_dir`, which ``TORCH_HOME`` and ``XDG_CACHE_HOME``
        change.
    """
    home = os.environ.get('MAXTRON_HOME')
    if home:
        return Path(home).expanduser()
    return Path(torch.hub.get_dir(), 'maxtron')


def cached_path(url: str) -> Path:
    """Return the place of a file in the cache.

    The place has the host and the path of the URL: two models whose files have
    the same name do not share a place.

    Args:
        url (str): ``http://...``, ``https://...`` or ``gdrive:ID``.

    Returns:
        Path: The place, whether the file exists or not.

    Raises:
        CheckpointError: If the URL does not name a file.
    """
    if url.startswith(DRIVE):
        name = f'drive.google.com/{url.removeprefix(DRIVE)}.pth'
        return cache_folder() / name
    parts = urlsplit(url)
    folder, _, file = unquote(parts.path).rpartition('/')
    if not file or not parts.hostname:
        raise CheckpointError(
            f'{url} does not name a file. Give the address of the checkpoint '
            'itself.'
        )
    host = f'{parts.hostname}_{parts.port}' if parts.port else parts.hostname
    if parts.query:
        digest = hashlib.sha256(parts.query.encode()).hexdigest()
        folder = f'{folder}/{digest[:8]}'
    return cache_folder() / relative_name(f'{host}/{folder}/{file}', '.')


def mirrored(url: str) -> str:
    """Return the address to download from.

    Args:
        url (str): ``http://...``, ``https://...`` or ``gdrive:ID``.

    Returns:
        str: The same, or the place below ``$MAXTRON_MIRROR``. A mirror is a
        cache folder that an HTTP server offers, for machines without internet.
    """
    mirror = os.environ.get('MAXTRON_MIRROR')
    if not mirror:
        return url
    place = cached_path(url).relative_to(cache_folder()).as_posix()
    return f'{mirror.rstrip("/")}/{quote(place)}'


def find_in_hub(url: str) -> Path | None:
    """Find a file that MMEngine or torch.hub has downloaded.

    Both use one folder for the files of all hosts, so only a name with a check
    sum identifies a file.

    Args:
        url (str): URL of the file.

    Returns:
        Path | None: The file, or None.
    """
    if hash_in_name(url) is None:
        return None
    path = Path(torch.hub.get_dir(), 'checkpoints', cached_path(url).name)
    return path if path.is_file() else None


def hash_in_name(url: str) -> str | None:
    """Read the beginning of the SHA-256 sum from a file name.

    Args:
        url (str): URL of a file such as ``resnet50-0676ba61.pth``.

    Returns:
        str | None: ``'0676ba61'``; None if the name has no sum. A date such as
        ``20230118`` is not a sum.
    """
    found = _HASH.search(urlsplit(url).path)
    if found is None or _DATE.fullmatch(found[1]):
        return None
    return found[1]


def check_hash(path: Path, expected: str, url: str) -> None:
    """Compare the SHA-256 sum of a downloaded file; remove a wrong file.

    Args:
        path (Path): The file.
        expected (str): Beginning of the sum in hexadecimal digits.
        url (str): Origin of the file, for the message.

    Raises:
        CheckpointError: If the sum differs.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if found.startswith(expected.lower()):
        return
    path.unlink()
    raise CheckpointError(
        f'{url} was downloaded, but its SHA-256 sum begins with '
        f'{found[: len(expected)]} instead of {expected}. The file was '
        'changed on the server or on the way, and was removed here. Try '
        'again; if the sum stays wrong, do not use this source.'
    )
