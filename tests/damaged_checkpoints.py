# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoint files like those of failed downloads and full disks."""

import io
from pathlib import Path

import torch

_FLIPPED = slice(2000, 2040)  # position within the weights of _content


def _content(legacy: bool = False) -> bytes:
    """Make a good checkpoint as bytes."""
    file = io.BytesIO()
    weights = dict(weight=torch.arange(4000.0))
    torch.save(
        dict(state_dict=weights, meta={}),
        file,
        _use_new_zipfile_serialization=not legacy,
    )
    return file.getvalue()


def _flip(content: bytes) -> bytes:
    """Change some bytes of the weights."""
    flipped = bytes(255 - byte for byte in content[_FLIPPED])
    return content[: _FLIPPED.start] + flipped + content[_FLIPPED.stop :]


# Bytes of the file and expected message, by name.
DAMAGED = dict(
    empty=(b'', 'it is empty'),
    page=(b'<!DOCTYPE html>\n<html>404</html>', 'it is a web page'),
    pointer=(b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
    text=(b'Not found', "it begins with b'Not foun'"),
    half=(_content()[:5000], 'it is incomplete'),
    flipped=(_flip(_content()), 'the check sum of its part'),
    old_half=(_content(legacy=True)[:5000], 'unexpected EOF'),
)


def write_damaged(path: Path, name: str) -> str:
    """Write a damaged checkpoint; return the expected message."""
    content, words = DAMAGED[name]
    path.write_bytes(content)
    return words
