# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Masks of instances: conversion of polygons, run lengths and bitmaps."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from pycocotools import mask as mask_utils

from ..errors import InputError

MaskLike: TypeAlias = dict | Sequence | np.ndarray | torch.Tensor

# A run has 5 bits per character, so 7 characters hold any run of an image.
_MAX_RUN_CHARACTERS = 7
# Bound of coordinates in pixels, so that products of them stay finite.
_MAX_COORDINATE = 1e9
# Width around an image, in image sides, beyond which polygons are clipped.
_MARGIN = 4


def to_rle(mask: dict | Sequence, size: tuple[int, int]) -> dict:
    """Convert a mask of an annotation file to compressed run lengths.

    All parts of the project read masks by this rule:

    * A polygon needs an even number of coordinates, six or more, as in
      MMDetection. Other polygons and empty lists have no pixels.
    * A flat list of coordinates is one polygon. Tuples count as lists.
    * Run lengths must have the size of the image and fill it.

    Args:
        mask (dict | Sequence): COCO run lengths (``counts`` as list, str or
            bytes), or a list of COCO polygons.
        size (tuple[int, int]): Height and width of the image.

    Returns:
        dict: ``size`` and ``counts`` (bytes), as :mod:`pycocotools.mask`
        encodes masks.

    Raises:
        InputError: If the mask is malformed or does not fit the image. The
            message is the predicate of a sentence about the mask.
    """
    height, width = (int(side) for side in size)
    if isinstance(mask, (list, tuple)):
        polygons = [
            _clip(polygon.reshape(-1, 2), height, width).ravel()
            for polygon in read_polygons(mask)
        ]
        polygons = [polygon for polygon in polygons if polygon.size >= 6]
        if polygons:
            # A list of lists: pycocotools reads four polygons as boxes.
            rles = mask_utils.frPyObjects(
                [polygon.tolist() for polygon in polygons], height, width
            )
            return mask_utils.merge(rles)
        return _compress([height * width], height, width)
    if not isinstance(mask, dict):
        raise InputError(
            f'is of type {type(mask).__name__}, but must be run lengths or a '
            'list of polygons'
        )
    counts = _check_runs(mask, height, width)
    if isinstance(counts, list):
        return _compress(counts, height, width)
    if isinstance(counts, str):
        counts = counts.encode()
    return dict(size=[height, width], counts=counts)


def to_bitmap(mask: MaskLike, size: tuple[int, int]) -> np.ndarray:
    """Convert a mask of any form to a bitmap.

    Args:
        mask (dict | list | np.ndarray | Tensor): A mask as :func:`to_rle`
            reads it, or a bitmap.
        size (tuple[int, int]): Height and width of the image.

    Returns:
        np.ndarray: bool, shape (H, W).

    Raises:
        InputError: If the mask is malformed or does not fit the image.
    """
    if isinstance(mask, (dict, list, tuple)):
        try:
            mask = mask_utils.decode(to_rle(mask, size))
        except ValueError as error:
            raise InputError(f'The mask {error}.') from error
    bitmap = np.asarray(mask).astype(bool, copy=False)
    if bitmap.shape != tuple(size):
        raise InputError(
            f'A mask of shape {bitmap.shape} does not fit the '
            f'image of shape {tuple(size)}.'
        )
    return bitmap


def read_polygons(mask: Sequence) -> list[np.ndarray]:
    """Select the polygons of a list that have three points or more.

    Args:
        mask (Sequence): Polygons ``[[x, y, x, y, ...], ...]``, or one polygon
            ``[x, y, x, y, ...]``.

    Returns:
        list[np.ndarray]: float64, shape (2 * n, ) with n >= 3 each.

    Raises:
        InputError: If a coordinate is not a finite number.
    """
    if mask and all(_is_number(item) for item in mask):
        mask = [mask]
    polygons = []
    for polygon in mask:
        if not isinstance(polygon, (list, tuple, np.ndarray)) or not all(
            _is_number(coordinate) for coordinate in polygon
        ):
            raise InputError(
                'has a polygon that is not a list of numbers [x, y, x, y, ...]'
            )
        points = np.asarray(polygon, dtype=np.float64)
        if not np.isfinite(points).all():
            raise InputError(
                'has a polygon with a coordinate that is not finite'
            )
        if len(points) >= 6 and len(points) % 2 == 0:
            polygons.append(points)
    return polygons


def count_runs(counts: str | bytes) -> np.ndarray:
    """Decode compressed run lengths.

    A run has five bits per character, lowest bits first, counted from '0'. Bit
    32 marks that more characters follow. Bit 16 of the last character marks a
    negative run. From the fourth run on, the difference to the run two places
    before is stored.

    Args:
        counts (str | bytes): ``counts`` of a compressed mask.

    Returns:
        np.ndarray: int64, shape (n, ), the runs.

    Raises:
        InputError: If the text is not a list of run lengths.
    """
    if isinstance(counts, str):
        counts = counts.encode()
    digits = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if digits.size == 0:
        return digits
    last = (digits & 32) == 0
    starts = np.flatnonzero(np.r_[True, last[:-1]])
    lengths = np.diff(np.r_[starts, digits.size])
    if (
        not last[-1]
        or ((digits < 0) | (digits > 63)).any()
        or lengths.max() > _MAX_RUN_CHARACTERS
    ):
        raise InputError('does not decode')
    shifts = 5 * (np.arange(digits.size) - np.repeat(starts, lengths))
    runs = np.add.reduceat((digits & 31) << shifts, starts)
    is_negative = (digits[last] & 16) != 0
    runs -= is_negative.astype(np.int64) << (5 * lengths)
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs


def _is_number(value) -> bool:
    return isinstance(
        value, (int, float, np.integer, np.floating)
    ) and not isinstance(value, bool)


def _check_runs(mask: dict, height: int, width: int) -> list | str | bytes:
    """Return the runs of a mask; check that they fill the image."""
    size, counts = mask.get('size'), mask.get('counts')
    if isinstance(size, np.ndarray):
        size = size.tolist()
    if not isinstance(counts, (list, str, bytes)):
        raise InputError("has no 'counts' that are a list or a text")
    if (
        not isinstance(size, (list, tuple))
        or len(size) != 2
        or not all(_is_number(side) for side in size)
    ):
        raise InputError("has no 'size' [height, width]")
    if list(size) != [height, width]:
        raise InputError(
            f'is {size[0]} x {size[1]} (height x width), but the image is '
            f'{height} x {width}'
        )
    if isinstance(counts, list):
        if not all(
            _is_number(run) and float(run).is_integer() for run in counts
        ):
            raise InputError("has 'counts' that are not whole numbers")
        runs = counts = [int(run) for run in counts]
    else:
        runs = count_runs(counts).tolist()
    if min(runs, default=0) < 0:
        raise InputError('has a negative run in its counts')
    if sum(runs) != height * width:
        raise InputError(
            f'has runs of {sum(runs)} pixels in its counts, but the image '
            f'has {height} x {width}'
        )
    return counts


def _compress(counts: list[int], height: int, width: int) -> dict:
    """Compress run lengths."""
    return mask_utils.frPyObjects(
        dict(size=[height, width], counts=counts), height, width
    )


def _clip(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Clip a polygon that extends far beyond its image.

    Rasterising takes memory in proportion to the length of the outline.
    A polygon within a few widths and heights of the image is not changed.
    Clipping at that distance changes the pixels inside the image by rounding
    only.

    Args:
        points (np.ndarray): Shape (n, 2), x and y.
        height (int): Height of the image.
        width (int): Width of the image.

    Returns:
        np.ndarray: Shape (m, 2), m may be 0.
    """
    points = points.clip(-_MAX_COORDINATE, _MAX_COORDINATE)
    for axis, side in enumerate((width, height)):
        for sign in (-1, 1):
            # signed distance to the border, positive outside
            limit = _MARGIN * side + (side if sign > 0 else 0)
            outside = sign * points[:, axis] - limit
            if not (outside > 0).any():
                continue
            kept = []
            for i, point in enumerate(points):
                d, previous = outside[i], outside[i - 1]
                if (d > 0) != (previous > 0):  # the edge crosses the border
                    weight = d / (d - previous)
                    kept.append(point + weight * (points[i - 1] - point))
                if d <= 0:
                    kept.append(point)
            points = np.array(kept).reshape(-1, 2)
    return points
