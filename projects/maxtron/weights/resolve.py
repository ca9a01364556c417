# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Weights by name, URL or file: the rule of all tools."""

import os
import re
from pathlib import Path

from ..errors import CheckpointError, CheckpointNotFoundError
from .download import fetch
from .google_drive import drive_address
from .registry import DRIVE, ReleasedWeights, find_by_url, find_weights

_SCHEME = re.compile(r'[a-z][a-z0-9+.-]*://', re.IGNORECASE)
_SUFFIXES = ('.pth', '.pt', '.pkl', '.bin', '.ckpt', '.tar', '.safetensors')


def is_address(text: str | os.PathLike) -> bool:
    """Return whether a text is an address that :func:`fetch` downloads."""
    prefixes = ('http://', 'https://', DRIVE)
    return os.fspath(text).lower().startswith(prefixes)


def resolve(
    source: str | os.PathLike, progress: bool = True
) -> tuple[Path, ReleasedWeights | None]:
    """Find the file of weights that a user named.

    Args:
        source (str | PathLike): A file, a URL (``https://...``, a link of
            Google Drive, ``gdrive:ID``), or a name of :func:`list_weights`. An
            existing file takes precedence over a name.
        progress (bool): Whether to show the progress of a download in a
            terminal. Defaults to True.

    Returns:
        tuple[Path, ReleasedWeights | None]: The file, and its entry of
        the registry if it was named by its name or URL.

    Raises:
        CheckpointNotFoundError: If the file does not exist.
        CheckpointError: If the name is unknown (the message has the nearest
            names), or the file cannot be downloaded.
    """
    text = os.fspath(source)
    if is_address(text):
        url = drive_address(text)
        entry = find_by_url(url)
        return fetch(entry or url, progress), entry
    if _SCHEME.match(text) and not text.lower().startswith('file://'):
        raise CheckpointError(
            f'{text} cannot be downloaded: only http://, https:// and links '
            'of Google Drive can. Download it, and give the path of the file.'
        )
    path = Path(re.sub('^file://', '', text, flags=re.I)).expanduser()
    if path.is_file():
        return path, None
    if looks_like_path(text):
        if not path.exists():
            raise CheckpointNotFoundError(f'Checkpoint not found: {path}')
        return path, None
    entry = find_weights(text)
    return fetch(entry, progress), entry


def looks_like_path(text: str) -> bool:
    """Return whether a text is meant as a path, not as a name of weights."""
    has_folder = any(mark in text for mark in ('/', '\\')) or text == '.'
    return has_folder or text.lower().endswith(_SUFFIXES)
