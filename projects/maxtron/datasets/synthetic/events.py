# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Events of synthetic videos in which trackers lose things."""

import json
import os
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from ...errors import InputError
from .formats import segment_ids


class SceneEvent(NamedTuple):
    """An event of a thing.

    Attributes:
        id (int): Id of the thing in the RGB masks.
        cause (str): 'crossing' of twins, 'occluded' or 'outside' of the frame.
        start (int): First frame of the event.
        stop (int): First frame after it; ``start`` for a crossing.
    """

    id: int
    cause: str
    start: int
    stop: int


def list_events(
    path: str, name: str, stuff_labels: Iterable[int]
) -> list[SceneEvent]:
    """List the events of a video.

    Args:
        path (str): File ``scenarios_{split}.json`` of the benchmark.
        name (str): Name of the video.
        stuff_labels (Iterable[int]): Stuff of the video, which the ids of
            things depend on, see :func:`segment_ids`.

    Returns:
        list[SceneEvent]: The events.

    Raises:
        InputError: If the file does not exist or has no such video.
    """
    videos = _read(path)
    if name not in videos:
        raise InputError(
            f'{path} has no video {name}; give the scenarios of the split '
            'that is tested.'
        )
    video = videos[name]
    raw_ids = [thing['raw_id'] for thing in video['instances']]
    ids = segment_ids([*(label + 1 for label in stuff_labels), *raw_ids])
    events = [
        SceneEvent(
            ids[thing['raw_id']],
            gap['cause'],
            gap['start'],
            gap['start'] + gap['length'],
        )
        for thing in video['instances']
        for gap in thing['gaps']
    ]
    return events + [
        SceneEvent(ids[raw_id], 'crossing', meeting['frame'], meeting['frame'])
        for meeting in video['crossings']
        for raw_id in meeting['instances']
    ]


@cache
def _read(path: str) -> dict[str, dict]:
    """Read a file of scenarios, by the name of the video."""
    if not os.path.isfile(path):
        raise InputError(
            f'{path} does not exist. make_synthetic.py makes it with the '
            'videos; name it by scenarios of StableIdMetric or --scenarios.'
        )
    with open(path) as file:
        return {video['name']: video for video in json.load(file)}
