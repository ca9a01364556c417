# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Stability of the ids of things.

A thing is found in a frame if a predicted segment matches it, see
:func:`match_segments`. The id of this segment is compared from frame to frame,
and before and after events in which trackers lose things.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .segment_matches import match_segments
from .video_counts import VideoCounts

CROSSING, RETURN = 'crossing', 'return'
# Longest gaps of each kind, in clips.
_GAPS = {2: 'gap 1-2', 6: 'gap 3-6', np.inf: 'gap 7+'}
EVENT_KINDS = (CROSSING, *_GAPS.values(), RETURN)


class IdEvent(NamedTuple):
    """An event in which a tracker may lose a thing.

    Attributes:
        id (int): Id of the thing in the maps of the ground truth.
        kind (str): One of ``EVENT_KINDS``.
        start (int): First frame of the event, an index of the counted frames.
        stop (int): First frame after the event; equal to ``start`` if the
            event is a moment between two frames.
    """

    id: int
    kind: str
    start: int
    stop: int


@dataclass
class IdStats:
    """Counts of stable ids of a video.

    Attributes:
        name (str): Name of the video.
        num_things (int): Number of things of the ground truth.
        num_kept (int): Number of things that have one id in all frames in
            which they are found, which must be half of their frames or more.
        num_switches (int): Number of changes of an id from one frame to the
            next in which the thing is found.
        events (dict[str, np.ndarray]): By kind, how many things kept their id
            through the event, and how many events there are, shape (2, ).
    """

    name: str
    num_things: int = 0
    num_kept: int = 0
    num_switches: int = 0
    events: dict[str, np.ndarray] = field(default_factory=dict)


def gap_kind(num_frames: int, clip_len: int) -> str:
    """Name the kind of a gap.

    Args:
        num_frames (int): Frames without the thing.
        clip_len (int): Frames of a clip. A gap of 3 frames has 2 clips of 2.

    Returns:
        str: One of ``EVENT_KINDS``.
    """
    return next(
        kind for limit, kind in _GAPS.items() if num_frames <= limit * clip_len
    )


def find_gaps(
    video: VideoCounts, is_thing: Sequence[bool], clip_len: int
) -> list[IdEvent]:
    """List the gaps between frames that show a thing.

    With sparse labels, the length of a gap is the number of all frames between
    the two annotated frames.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        clip_len (int): Frames of a clip.

    Returns:
        list[IdEvent]: The gaps, thing by thing.
    """
    events = []
    for thing, found in find_things(video, is_thing).items():
        shown = np.flatnonzero(found >= 0)
        for before, after in zip(shown[:-1], shown[1:]):
            if after - before > 1:
                length = video.times[after] - video.times[before] - 1
                kind = gap_kind(int(length), clip_len)
                events.append(
                    IdEvent(thing, kind, int(before + 1), int(after))
                )
    return events


def find_things(
    video: VideoCounts, is_thing: Sequence[bool]
) -> dict[int, np.ndarray]:
    """Find the things of a video frame by frame.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).

    Returns:
        dict[int, np.ndarray]: By id of the ground truth, for each frame the
        predicted id, 0 if it is not found, or -1 if it is absent, shape (T, ).
    """
    matches = match_segments(video)
    # The index -1 (not found) reads the appended id.
    found = np.append(video.pred.ids, 0)[matches]
    things = {}
    for thing in np.unique(video.gt.ids).tolist():
        chosen = (video.gt.ids == thing) & (video.gt.is_crowd == 0)
        if not np.asarray(is_thing, bool)[video.gt.labels[chosen]].any():
            continue
        things[thing] = np.full(video.num_frames, -1)
        things[thing][video.gt.frames[chosen]] = found[chosen]
    return things


def count_stable_ids(
    video: VideoCounts, is_thing: Sequence[bool], events: Iterable[IdEvent]
) -> IdStats:
    """Count the ids that are stable.

    A thing keeps its id through an event if its most frequent ids before and
    after the event are equal. Before and after last until the next event of
    the thing. A thing that is not found on both sides has lost its id.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        events (Iterable[IdEvent]): Events of the video.

    Returns:
        IdStats: The counts.
    """
    stats = IdStats(video.name)
    by_thing: dict[int, list[IdEvent]] = {}
    for event in sorted(events, key=lambda event: event.start):
        by_thing.setdefault(event.id, []).append(event)
    for thing, found in find_things(video, is_thing).items():
        ids = found[found > 0]
        switches = np.count_nonzero(np.diff(ids))
        stats.num_things += 1
        stats.num_switches += int(switches)
        stats.num_kept += int(
            not switches and len(ids) >= 0.5 * np.count_nonzero(found >= 0)
        )
        own = by_thing.get(thing, [])
        starts = [*(event.start for event in own), video.num_frames]
        stops = [0, *(event.stop for event in own)]
        spans = [
            _most_frequent(found[stop:start])
            for stop, start in zip(stops, starts)
        ]
        for event, before, after in zip(own, spans, spans[1:]):
            counts = stats.events.setdefault(event.kind, np.zeros(2, int))
            counts += (before == after != 0, 1)
    return stats


def _most_frequent(found: np.ndarray) -> int:
    """Return the most frequent id, 0 if there is none."""
    ids, counts = np.unique(found[found > 0], return_counts=True)
    return int(ids[counts.argmax()]) if len(ids) else 0


def summarize_stable_ids(stats: Sequence[IdStats]) -> dict[str, float | None]:
    """Summarize the counts of videos.

    Args:
        stats (Sequence[IdStats]): One item per video.

    Returns:
        dict[str, float | None]: ``kept``, the percentage of things that keep
        their id, ``switches``, their number, and for each kind of event the
        percentage of things that keep their id and, as ``num KIND``, the
        number of events. A percentage of nothing is None.
    """
    num_things = sum(video.num_things for video in stats)
    summary: dict[str, float | None] = dict(
        kept=_percent(sum(video.num_kept for video in stats), num_things),
        switches=sum(video.num_switches for video in stats),
    )
    for kind in EVENT_KINDS:
        kept, total = sum(
            (video.events.get(kind, np.zeros(2, int)) for video in stats),
            np.zeros(2, int),
        ).tolist()
        summary[kind] = _percent(kept, total)
        summary[f'num {kind}'] = total
    return summary


def _percent(part: int, total: int) -> float | None:
    return 100 * part / total if total else None
