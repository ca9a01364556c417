# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic annotations on disk: id maps as PNG and what their ids mean.

Two kinds of PNG exist. In *RGB* ones (COCO, VIPSeg_720P) the id of a pixel is
R + 256 G + 65536 B, and a JSON tells the category of every id. *Raw* ones
(VIPSeg as released) have one channel that says both, see ``raw_labels``. In
both 0 is void.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.fileio import get

FIRST_THING_VALUE = 125  # of raw maps
UNLABELLED = 255  # in maps of labels, which are bytes


def check_num_classes(classes: Sequence[str]) -> None:
    """See that a byte can hold every label.

    Args:
        classes (Sequence[str]): Names of the classes.

    Raises:
        ValueError: If there are too many.
    """
    if len(classes) > UNLABELLED:
        raise ValueError(
            f'metainfo of the dataset has {len(classes)} classes, but there '
            f'can be no more than {UNLABELLED}: maps of labels are bytes, and '
            f'{UNLABELLED} stands for no label.'
        )


def thing_flags(metainfo: dict) -> list[bool]:
    """Which classes are things.

    Args:
        metainfo (dict): Of a dataset: ``classes`` and ``thing_classes``.

    Returns:
        list[bool]: For every label.
    """
    things = set(metainfo['thing_classes'])
    return [name in things for name in metainfo['classes']]


def rgb_to_ids(img: np.ndarray) -> np.ndarray:
    """Ids of an RGB map.

    Args:
        img (np.ndarray): Shape (h, w, 3), uint8, BGR as OpenCV reads it.

    Returns:
        np.ndarray: Shape (h, w), int32.
    """
    rgba = cv2.cvtColor(img, cv2.COLOR_BGR2RGBA)
    rgba[..., 3] = 0
    return rgba.view('<i4')[..., 0]


def read_id_map(
    path: str, where: str, raw: bool = False, backend_args: dict | None = None
) -> np.ndarray:
    """Read a PNG of ids.

    Args:
        path (str): The file.
        where (str): Names the frame in messages.
        raw (bool): Whether it is a raw map. Defaults to False.
        backend_args (dict, optional): As of :func:`mmengine.fileio.get`.

    Returns:
        np.ndarray: Shape (h, w), int32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or one of the other kind.
    """
    try:
        content = get(path, backend_args=backend_args)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{where}: the panoptic map {path} does not exist. Check '
            'data_root and data_prefix of the dataset.'
        ) from error
    content = np.frombuffer(content, np.uint8)
    img = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if img is None:
        raise ValueError(
            f'{where}: the panoptic map {path} cannot be read as '
            'an image. Is the file complete?'
        )
    if raw and img.ndim == 2:
        return img.astype(np.int32)
    if not raw and img.ndim == 3 and img.dtype == np.uint8:
        return rgb_to_ids(np.ascontiguousarray(img[..., :3]))
    channels = 1 if img.ndim == 2 else img.shape[2]
    wanted = (
        'one channel of class and instance (panomasks)'
        if raw
        else '8 bit RGB colours (panomasksRGB)'
    )
    raise ValueError(
        f'{where}: the panoptic map {path} has {channels} channel(s) of '
        f'{img.dtype}, not {wanted}. Check data_prefix of the dataset.'
    )


def runs(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of equal ids; far fewer than pixels, so all else is done on them.

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
    """Classes of raw values.

    A value below 125 is class + 1 (a thing without an instance number, too),
    a larger one (class + 1) * 100 + number.

    Args:
        values (np.ndarray): Raw values of any shape.

    Returns:
        np.ndarray: Labels of the same shape, -1 for void.
    """
    return np.where(values < FIRST_THING_VALUE, values, values // 100) - 1


def read_raw_segments(
    ids: np.ndarray, is_thing: Sequence[bool], where: str
) -> tuple[np.ndarray, list[dict]]:
    """Segments of a raw map.

    Stuff has no instances: whatever number stands in its values, it is one
    segment, as in the 720P form.

    Args:
        ids (np.ndarray): Shape (h, w), raw values.
        is_thing (Sequence[bool]): For every label.
        where (str): Names the frame in messages.

    Returns:
        tuple[np.ndarray, list[dict]]: The map with one value a segment, and
        the segments with ``id`` (this value), ``category`` (label),
        ``is_thing``, ``iscrowd`` and ``area`` in pixels, by ascending id.

    Raises:
        ValueError: If a class does not exist.
    """
    values, lengths = runs(ids)
    unique, inverse = np.unique(values, return_inverse=True)
    labels = raw_labels(unique)
    unknown = unique[labels >= len(is_thing)]
    if unknown.size:
        raise ValueError(
            f'{where}: the panoptic map has the value {unknown[0]}, which is '
            f'the unknown category {raw_labels(unknown)[0]}; there are '
            f'{len(is_thing)}. Check the classes in metainfo of the dataset.'
        )
    stuff = ~np.asarray(is_thing, bool)[labels] & (labels >= 0)
    canonical = np.where(stuff, labels + 1, unique)
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


def index_map(
    ids: np.ndarray, segments: Sequence[dict], where: str
) -> np.ndarray:
    """Replace ids by positions in the list of segments.

    Positions are small, so that everything after is fast: resizing bytes,
    and looking up what is known of a segment.

    Args:
        ids (np.ndarray): Shape (h, w).
        segments (Sequence[dict]): Segments of the frame, with ``id``.
        where (str): Names the frame in messages.

    Returns:
        np.ndarray: Shape (h, w), 0 for void, else 1 + position; uint8, or
        int32 if there are more than 255 segments.

    Raises:
        ValueError: If the ids of map and list are not the same. Only segments
            whose ``area`` is stated as 0 may have no pixel.
    """
    position = {segment['id']: i for i, segment in enumerate(segments, 1)}
    values, lengths = runs(ids)
    unique, inverse = np.unique(values, return_inverse=True)
    found = set(unique.tolist()) - {0}
    unknown = sorted(found - position.keys())
    if unknown:
        raise ValueError(
            f'{where}: the panoptic map has the segment {unknown[0]}, which '
            'the annotation file does not list for this frame. The two must '
            'be of the same conversion.'
        )
    missing = sorted(
        segment['id']
        for segment in segments
        if segment['id'] not in found and segment.get('area', 1) > 0
    )
    if missing:
        raise ValueError(
            f'{where}: the annotation file lists the segment {missing[0]}, '
            'which has no pixel in the panoptic map. The two must be of the '
            'same conversion.'
        )
    dtype = np.uint8 if len(segments) < 256 else np.int32
    table = np.array([position.get(v, 0) for v in unique.tolist()], dtype)
    return np.repeat(table[inverse], lengths).reshape(ids.shape)
