# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Signs that a file is not a complete checkpoint."""

import zipfile
from pathlib import Path

AGAIN = 'Download or copy it again.'
_LFS = b'version https://git-lfs'
_ZIP, _PICKLE = (
    b'PK\x03\x04',
    b'\x80',
)  # PyTorch's formats since and before version 1.6


def find_damage(path: Path) -> str | None:
    """Describe the damage of a file from its first bytes and check sums.

    PyTorch reads changed bytes of a tensor without an error, so this function
    compares the check sums of the archive.
    """
    if path.is_dir():
        return 'it is a folder. Name a file in it.'
    with path.open('rb') as file:
        head = file.read(512)
    if not head:
        return f'it is empty (0 bytes). {AGAIN}'
    if head.lstrip(b'\xef\xbb\xbf \r\n\t').startswith(b'<'):
        return (
            'it is a web page, probably one about the checkpoint or about an '
            'error. Download the file itself.'
        )
    if head.startswith(_LFS):
        return 'it is a pointer of Git LFS. Run "git lfs pull".'
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except (zipfile.BadZipFile, EOFError) as error:
            return f'it is incomplete ({first_line(error)}). {AGAIN}'
        if damaged is not None:
            return f'the check sum of its part "{damaged}" is wrong. {AGAIN}'
    elif not head.startswith(_PICKLE):
        return f'it begins with {head[:8]!r}. {AGAIN}'
    return None


def first_line(error: Exception) -> str:
    """Return the first line of an error message."""
    return (str(error).splitlines() or ['no message'])[0]
