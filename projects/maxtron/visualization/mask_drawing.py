# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Fast drawing of tracked masks by OpenCV."""

from collections.abc import Sequence

import cv2
import numpy as np

from .label_drawing import draw_label

# Steps of the golden ratio never repeat a hue, and consecutive ids are spread
# almost evenly over the circle.
_GOLDEN_RATIO = 0.6180339887498949
_SATURATION_VALUE = ((0.85, 1.0), (0.60, 0.95), (1.0, 0.75))


def id_colors(ids: Sequence[int]) -> np.ndarray:
    """Compute the colours of instance ids; each depends on its id only.

    Args:
        ids (Sequence[int]): n ids; 0 means background and is black.

    Returns:
        np.ndarray: RGB, uint8, shape (n, 3).
    """
    ids = np.asarray(ids, dtype=np.int64)
    hsv = np.empty((len(ids), 1, 3), dtype=np.float32)
    hsv[:, 0, 0] = ids * _GOLDEN_RATIO % 1 * 360
    hsv[:, 0, 1:] = np.asarray(_SATURATION_VALUE)[ids % 3]
    hsv[ids == 0] = 0
    if len(ids) == 0:
        return np.empty((0, 3), dtype=np.uint8)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return (rgb[:, 0] * 255).round().astype(np.uint8)


def draw_masks(
    image: np.ndarray,
    bitmaps: Sequence[np.ndarray],
    colors: np.ndarray,
    texts: Sequence[str],
    alpha: float = 0.5,
    line_width: int = 2,
) -> np.ndarray:
    """Draw masks with contours and labels; the first mask is on top.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3), RGB or BGR; unchanged.
        bitmaps (Sequence[np.ndarray]): n masks, bool, shape (H, W).
        colors (np.ndarray): uint8, shape (n, 3), channels as in the image.
        texts (Sequence[str]): n labels.
        alpha (float): Opacity of the masks, 0 to 1. Defaults to 0.5.
        line_width (int): Width of the contours in pixels, 0 for none.
            Defaults to 2.

    Returns:
        np.ndarray: The drawn image, same shape and channels.
    """
    # Find the topmost mask in one channel and colour it at the end: several
    # times faster than painting each mask in three channels.
    top = np.zeros(image.shape[:2], dtype=np.uint16)
    outlines, anchors = [], []
    for index in reversed(range(len(bitmaps))):
        x, y, w, h = _bounding_box(bitmaps[index])
        if w == 0:
            continue
        inside = np.ascontiguousarray(bitmaps[index][y : y + h, x : x + w])
        top[y : y + h, x : x + w][inside] = index + 1
        # The first pixel of the mask: the corner of its box may be far away.
        anchors.append((index, (x + int(inside[0].argmax()), y)))
        if line_width:
            outlines.append((index, _outline(inside, (x, y))))
    palette = np.concatenate([np.zeros((1, 3), np.uint8), colors])
    blend = cv2.addWeighted(
        image, 1 - alpha, palette.take(top, axis=0), alpha, 0
    )
    drawn = image.copy()
    cv2.copyTo(blend, (top > 0).view(np.uint8), drawn)
    for index, outline in outlines:
        cv2.drawContours(
            drawn, outline, -1, colors[index].tolist(), line_width, cv2.LINE_AA
        )
    for index, anchor in anchors:
        draw_label(drawn, texts[index], anchor, colors[index])
    return drawn


def _bounding_box(bitmap: np.ndarray) -> tuple[int, int, int, int]:
    """Compute left, top, width and height of a mask, zeros if it is empty.

    Unlike cv2.boundingRect, this needs no copy of a column-major bitmap, the
    result of decoding run lengths.
    """
    columns = np.flatnonzero(bitmap.any(axis=0))
    if len(columns) == 0:
        return 0, 0, 0, 0
    left, right = int(columns[0]), int(columns[-1]) + 1
    rows = np.flatnonzero(bitmap[:, left:right].any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return left, top, right - left, bottom - top


def _outline(inside: np.ndarray, offset: tuple[int, int]) -> list[np.ndarray]:
    """Find the outer and inner borders of a mask, cropped at an offset."""
    return cv2.findContours(
        inside.view(np.uint8),
        cv2.RETR_CCOMP,
        cv2.CHAIN_APPROX_SIMPLE,
        offset=offset,
    )[0]
