# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segments of panoptic id maps.

Two kinds of maps exist. In an *RGB* map (COCO, VIPSeg_720P) the id of a pixel
is R + 256 G + 65536 B, and a JSON file lists the category of every id. A *raw*
map (VIPSeg as released) has one channel that encodes class and instance, see
:func:`raw_labels`. In both, 0 is void.
"""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .categories import UNLABELLED

FIRST_THING_VALUE = 125  # value of raw maps


def runs(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs of equal ids, of which there are far fewer than pixels.

    Args:
        ids (np.ndarray): Shape (h, w).

    Returns:
        tuple[np.ndarray, np.ndarray]: Id and length of every run, in the
        order of the pixels.
    """
    flat = ids.ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], starts])
    return flat[starts], np.diff(starts, append=flat.size)


def raw_labels(values: np.ndarray) -> np.ndarray:
    """Compute the classes of raw values.

    A value below 125 is class + 1 (also for a thing without an instance
    number). A larger value is (class + 1) * 100 + number.

    Args:
        values (np.ndarray): Raw values of any shape.

    Returns:
        np.ndarray: Labels of the same shape, -1 for void.
    """
    return np.where(values < FIRST_THING_VALUE, values, values // 100) - 1


def semantic_labels(values: np.ndarray) -> np.ndarray:
    """Compute the classes of a map without instances, such as VSPW's.

    Args:
        values (np.ndarray): Class + 1, of any shape. 0 and 255 are void.

    Returns:
        np.ndarray: Labels of the same shape, -1 for void.
    """
    return np.where(values == UNLABELLED, 0, values) - 1


def read_raw_segments(
    ids: np.ndarray, is_thing: Sequence[bool], where: str
) -> tuple[np.ndarray, list[dict]]:
    """Find the segments of a raw map.

    Stuff has no instances: all values of a stuff class are one segment, as
    in the 720P layout. If no class is a thing, see :func:`semantic_labels`.

    Args:
        ids (np.ndarray): Shape (h, w), raw values.
        is_thing (Sequence[bool]): One flag per label.
        where (str): Names the frame in messages.

    Returns:
        tuple[np.ndarray, list[dict]]: The map with one value per segment, and
        the segments with ``id`` (this value), ``category`` (label),
        ``is_thing``, ``iscrowd`` and ``area`` in pixels, by ascending id.

    Raises:
        InputError: If a class does not exist.
    """
    values, lengths = runs(ids)
    unique, inverse = np.unique(values, return_inverse=True)
    labels = raw_labels(unique) if any(is_thing) else semantic_labels(unique)
    unknown = labels >= len(is_thing)
    if unknown.any():
        raise InputError(
            f'{where}: the panoptic map has the value {unique[unknown][0]}, '
            f'which means class number {labels[unknown][0] + 1} counted from '
            f'1, but there are {len(is_thing)} classes. Correct the map, or '
            'the classes in metainfo of the dataset.'
        )
    stuff = ~np.asarray(is_thing, bool)[labels] & (labels >= 0)
    canonical = np.where(stuff, labels + 1, np.where(labels < 0, 0, unique))
    if (canonical != unique).any():
        ids = np.repeat(canonical[inverse], lengths).reshape(ids.shape)
    areas = np.bincount(inverse, lengths)
    segments = {}
    for value, label, area in zip(canonical, labels, areas):
        if label < 0:
            continue
        segment = segments.setdefault(
            int(value),
            dict(
                id=int(value),
                category=int(label),
                is_thing=bool(is_thing[label]),
                iscrowd=0,
                area=0,
            ),
        )
        segment['area'] += int(area)
    return ids, [segments[value] for value in sorted(segments)]


def index_type(num_segments: int) -> type[np.generic]:
    """Return the type of maps of positions: a byte if all positions fit."""
    return np.uint8 if num_segments < 256 else np.int32


def index_map(
    ids: np.ndarray, segments: Sequence[dict], where: str
) -> np.ndarray:
    """Replace ids by positions in the list of segments.

    Positions fit into bytes, so that maps are fast to resize and to look up.

    Args:
        ids (np.ndarray): Shape (h, w).
        segments (Sequence[dict]): Segments of the frame, with ``id``.
        where (str): Names the frame in messages.

    Returns:
        np.ndarray: Shape (h, w), 0 for void, else 1 + position; type of
        :func:`index_type`.

    Raises:
        InputError: If map and list have different ids. Only a segment with
            ``area`` 0 may have no pixels.
    """
    position = {segment['id']: i for i, segment in enumerate(segments, 1)}
    values, lengths = runs(ids)
    unique, inverse = np.unique(values, return_inverse=True)
    found = set(unique.tolist()) - {0}
    unknown = sorted(found - position.keys())
    if unknown:
        raise InputError(
            f'{where}: the panoptic map has the segment {unknown[0]}, which '
            'the annotation file does not list for this frame. The two must '
            'come from the same conversion.'
        )
    missing = sorted(
        segment['id']
        for segment in segments
        if segment['id'] not in found and segment.get('area') != 0
    )
    if missing:
        raise InputError(
            f'{where}: the annotation file lists the segment {missing[0]}, '
            'which has no pixel in the panoptic map. The two must come from '
            'the same conversion.'
        )
    table = np.array(
        [position.get(v, 0) for v in unique.tolist()],
        index_type(len(segments)),
    )
    return np.repeat(table[inverse], lengths).reshape(ids.shape)
