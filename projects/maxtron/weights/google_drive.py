# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Files on Google Drive, by the optional package gdown."""

import re
import shutil
import textwrap
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..errors import CheckpointError
from .registry import DRIVE, drive_link

_HOSTS = (
    'drive.google.com',
    'docs.google.com',
    'drive.usercontent.google.com',
)


def drive_address(url: str) -> str:
    """Shorten a link to a file on Google Drive.

    Args:
        url (str): Any URL.

    Returns:
        str: ``gdrive:ID`` for a link of Google Drive, else the same URL.

    Raises:
        CheckpointError: If the link is of Google Drive but not of a file.
    """
    parts = urlsplit(url)
    if parts.hostname not in _HOSTS:
        return url
    found = re.search(r'/file/(?:u/\d+/)?d/([\w-]+)', parts.path)
    file_id = found[1] if found else parse_qs(parts.query).get('id', [''])[0]
    if '/folders/' in parts.path or not re.fullmatch(r'[\w-]+', file_id):
        raise CheckpointError(
            f'{url} is not a link to a file on Google Drive. Open it in a '
            'browser, and copy the link of the checkpoint itself; it has the '
            'form https://drive.google.com/file/d/ID.'
        )
    return f'{DRIVE}{file_id}'


def download_drive(file_id: str, part: Path, progress: bool) -> None:
    """Download a file from Google Drive; continue an earlier download.

    Args:
        file_id (str): Id of the file.
        part (Path): Name of the file to make. A folder of a similar name keeps
            the data until then.
        progress (bool): Whether gdown may show a progress bar.

    Raises:
        CheckpointError: If gdown is not installed, or if Google Drive does not
            give the file.
    """
    link = drive_link(file_id)
    by_hand = (
        f'Or download {link} in a browser and give the path of the file '
        'instead of the name.'
    )
    try:
        import gdown
    except ImportError as error:
        raise CheckpointError(
            f'{link} is on Google Drive, for which the package gdown is '
            f'needed: pip install gdown. {by_hand}'
        ) from error
    folder = part.with_name(f'{part.name}s')
    folder.mkdir(exist_ok=True)
    output = folder / 'file'
    try:
        done = gdown.download(
            id=file_id, output=str(output), quiet=not progress, resume=True
        )
    except Exception as error:  # gdown's own, of requests, and of the disk
        raise CheckpointError(
            f'{link} cannot be downloaded: {_shorten(error)}. Running the '
            'same command again continues there, after a day if the quota of '
            f'the file is used up. {by_hand}'
        ) from error
    if done is None or not output.is_file():  # gdown 4
        raise CheckpointError(
            f'{link} cannot be downloaded; the reason is above. {by_hand}'
        )
    with output.open('rb') as file:
        is_page = file.read(64).lstrip()[:1] == b'<'
    if is_page:
        output.unlink()
        raise CheckpointError(
            f'{link} leads to a web page instead of a file, probably because '
            f'its daily quota of downloads is used up. {by_hand}'
        )
    output.replace(part)
    shutil.rmtree(folder, ignore_errors=True)


def _shorten(error: Exception) -> str:
    """Return the beginning of an error message in one line."""
    text = textwrap.shorten(str(error), 160, placeholder=' ...')
    return text.rstrip('.') or type(error).__name__
