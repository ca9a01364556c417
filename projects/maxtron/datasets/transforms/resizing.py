# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Regions of resized images, equal to crops of Pillow's whole images."""

import math

import numpy as np
from PIL import Image

Region = tuple[slice, slice]


def resize_bilinear(
    img: np.ndarray, size: tuple[int, int], region: Region
) -> np.ndarray:
    """Resize an image and crop it.

    Pillow resizes the rows, rounds to bytes, and then resizes the columns. The
    first step is done for the rows that the region needs only, and the second
    one for its columns only.

    Args:
        img (np.ndarray): Shape (h, w, 3), uint8.
        size (tuple[int, int]): Width W and height H of the whole image.
        region (tuple[slice, slice]): Rows and columns of the whole image.

    Returns:
        np.ndarray: Shape (rows, columns, 3), uint8: the region of
        ``Image.resize(size, BILINEAR)``, bit by bit.
    """
    (width, height), (rows, columns) = size, region
    if (
        (rows.stop, columns.stop)
        == (height, width)
        == (rows.stop - rows.start, columns.stop - columns.start)
    ):
        return np.array(
            Image.fromarray(img).resize(size, Image.Resampling.BILINEAR)
        )
    img_height = len(img)
    scale = img_height / height
    reach = max(scale, 1) + 1  # of the filter, with a pixel to spare
    first = max(0, math.floor((rows.start + 0.5) * scale - reach))
    last = min(img_height, math.ceil((rows.stop - 0.5) * scale + reach))
    box = (columns.start, -first, columns.stop, img_height - first)
    return np.array(
        Image.fromarray(img[first:last])
        .resize((width, last - first), Image.Resampling.BILINEAR)
        .crop(box)  # as high as the image; the other rows have no effect
        .resize((box[2] - box[0], height), Image.Resampling.BILINEAR)
        .crop((0, rows.start, box[2] - box[0], rows.stop))
    )


def resize_nearest(
    seg_map: np.ndarray, size: tuple[int, int], region: Region
) -> np.ndarray:
    """Resize a map to the nearest pixels and crop it.

    Args:
        seg_map (np.ndarray): Shape (h, w), any type.
        size (tuple[int, int]): Width W and height H of the whole map.
        region (tuple[slice, slice]): Rows and columns of the whole map.

    Returns:
        np.ndarray: Shape (rows, columns): the region of
        ``Image.resize(size, NEAREST)``.
    """
    rows, columns = (
        _nearest(old, new)[part]
        for old, new, part in zip(seg_map.shape, size[::-1], region)
    )
    # Copies of rows are cheaper than copies of pixels: if the map grows, its
    # columns are taken first.
    first = rows[0]
    if len(rows) > rows[-1] - first:
        part = seg_map[first : rows[-1] + 1].take(columns, 1)
        return part.take(rows - first, 0)
    return seg_map.take(rows, 0).take(columns, 1)


def _nearest(old: int, new: int) -> np.ndarray:
    """Compute which of ``old`` pixels Pillow takes for each of ``new``."""
    line = Image.fromarray(np.arange(old, dtype=np.int32)[None])
    return np.array(line.resize((new, 1), Image.Resampling.NEAREST))[0]
