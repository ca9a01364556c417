# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Drawing of labels: ASCII by OpenCV, which is fast, others by Pillow."""

import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Size of Pillow's letters that matches OpenCV's letters of scale 1.
_PIXELS_PER_SCALE = 32


def draw_label(
    image: np.ndarray, text: str, anchor: tuple[int, int], color: np.ndarray
) -> None:
    """Draw a label on a coloured patch inside the image, in place.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3).
        text (str): The label. Characters that are in no installed font are
            written as codes, such as U+4EBA.
        anchor (tuple[int, int]): x and y of the upper left corner, in pixels.
        color (np.ndarray): uint8, shape (3, ), channels as in the image.
    """
    height, width = image.shape[:2]
    scale = min(max(min(height, width) / 1000, 0.35), 1.2)
    ink = _ascii_ink(text, scale) if text.isascii() else _ink(text, scale)
    x = max(min(anchor[0], width - ink.shape[1]), 0)
    y = max(min(anchor[1], height - ink.shape[0]), 0)
    patch = image[y : y + ink.shape[0], x : x + ink.shape[1]]
    ink = ink[: patch.shape[0], : patch.shape[1], None].astype(np.float32)
    bright = color.astype(np.float32).mean() > 110
    opacity = ink / 255
    patch[:] = (1 - opacity) * color + opacity * (0 if bright else 255)


def _ascii_ink(text: str, scale: float) -> np.ndarray:
    """Render ASCII: opacity of the letters, uint8, shape (h, w)."""
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, 1 if scale < 0.8 else 2
    (w, h), below = cv2.getTextSize(text, font, scale, thickness)
    ink = np.zeros((h + below + 1, w + 1), np.uint8)
    origin = 0, h + below // 2
    cv2.putText(ink, text, origin, font, scale, 255, thickness, cv2.LINE_AA)
    return ink


def _ink(text: str, scale: float) -> np.ndarray:
    """Render any text: opacity of the letters, uint8, shape (h, w)."""
    size = round(_PIXELS_PER_SCALE * scale)
    runs = [
        (''.join(part for part, _ in run), ImageFont.truetype(path, size))
        for path, run in groupby(_spell(text), key=lambda item: item[1])
    ]
    ends = np.cumsum([0] + [font.getlength(part) for part, font in runs])
    ascent, descent = np.max([font.getmetrics() for _, font in runs], axis=0)
    ink = Image.new('L', (int(ends[-1]) + 2, int(ascent + descent)))
    draw = ImageDraw.Draw(ink)
    for (part, font), x in zip(runs, ends):
        draw.text((x + 1, int(ascent)), part, 255, font, anchor='ls')
    return np.asarray(ink)


def _spell(text: str) -> list[tuple[str, str]]:
    """Split a text into characters or their codes, each with its font."""
    spelled = []
    for character in unicodedata.normalize('NFC', text):
        character = ' ' if character.isspace() else character
        path = _find_font(character)
        if path is not None:
            spelled.append((character, path))
        elif not _is_invisible(character):
            spelled.append((f'U+{ord(character):04X}', _font_files()[0]))
    return spelled or [(' ', _font_files()[0])]


def _is_invisible(character: str) -> bool:
    """Return whether a character only modifies its neighbours."""
    is_selector = '\ufe00' <= character <= '\ufe0f'  # of emoji, for instance
    return is_selector or unicodedata.category(character) == 'Cf'


@cache
def _find_font(character: str) -> str | None:
    """Find a font that has a character; None if no font has it."""
    for path in _font_files():
        if ord(character) in _characters(path):
            return path
    return None


@cache
def _font_files() -> list[str]:
    """List the installed fonts, first the font of Matplotlib."""
    import matplotlib
    from matplotlib.font_manager import findSystemFonts

    own = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
    return [str(own), *sorted(findSystemFonts())]


@cache
def _characters(path: str) -> frozenset[int]:
    """List the characters of a font; none if Pillow cannot scale it."""
    from matplotlib.ft2font import FT2Font

    try:
        ImageFont.truetype(path, _PIXELS_PER_SCALE)
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
