# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Texts of the pages, as HTML, and names of their folders."""

import re
import secrets
from html import escape
from pathlib import Path

from .review import Review
from .tracks import Track


def describe(review: Review, only: Track | None, count: int) -> str:
    """Describe what is shown, as HTML."""
    what = f'{count} tracks'
    if only:
        what = f'track {only.number} ({escape(only.category)}) alone'
    side = ', truth on the left' if review.truth is not None else ''
    total = review.source.num_frames or 0
    of = f' of {total}' if total > review.num_frames else ''
    return (
        f'<p><b>{escape(review.source.name)}</b>: {review.num_frames}{of} '
        f'frames, {what}{side}.</p>'
    )


def progress(text: str, done: int, total: int | None) -> str:
    """Make a progress bar, as HTML."""
    share = f' value="{done}" max="{total}"' if total else ''
    of = f' of {total}' if total else ''
    return (
        f'<p>{escape(text)}: {done}{of} frames '
        f'<progress{share} style="width: 100%"></progress></p>'
    )


def hide_folders(text: str) -> str:
    """Remove the folders of absolute paths from a message, not web pages."""
    pattern = r'(https?://\S+)|(?<![\w.])/(?:[^\s/]+/)+'
    return re.sub(pattern, lambda match: match[1] or '', text)


def new_folder(root: Path) -> Path:
    """Make a folder whose name cannot be guessed."""
    folder = root / secrets.token_hex(16)
    folder.mkdir()
    return folder
