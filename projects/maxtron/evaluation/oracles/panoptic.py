# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Oracles that correct one kind of error of a panoptic video.

The oracles change counts of pixels, not masks. A predicted segment and an
annotated one match if their IoU in a frame is above 0.5, whatever their
classes; see :func:`match_segments`. Crowds do not match. All oracles in the
order of ``ORACLES`` make a prediction perfect, unless two annotated segments
of a frame are stuff of one class. True masks come last, because they can make
other segments match.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..functional import Segments, VideoCounts, match_segments

# Ids of annotated things and of classes of stuff, above those of predictions.
_TRUE_IDS, _STUFF_IDS = 1 << 40, 1 << 41


class _Pixels(NamedTuple):
    """Groups of pixels of a video that have one annotation and prediction.

    Attributes:
        frames (np.ndarray): Position of the frame, (m,).
        gt_rows (np.ndarray): Row of the annotated segment, -1 is void, (m,).
        ids (np.ndarray): Predicted id, 0 is void, (m,).
        labels (np.ndarray): Predicted label, -1 for void, (m,).
        counts (np.ndarray): Number of pixels, (m,).
    """

    frames: np.ndarray
    gt_rows: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    counts: np.ndarray

    def change(self, where: np.ndarray, ids, labels) -> '_Pixels':
        """Set the prediction of the groups that are True in a mask."""
        return self._replace(
            ids=np.where(where, ids, self.ids),
            labels=np.where(where, labels, self.labels),
        )


# Takes a video and whether each class is a thing, (C,); returns the video with
# a corrected prediction.
Oracle = Callable[[VideoCounts, np.ndarray], VideoCounts]


def true_classes(video: VideoCounts, is_thing: np.ndarray) -> VideoCounts:
    """Give each predicted segment the class of most of its pixels.

    Pixels without annotation do not count. A track is divided by its classes.
    The predicted stuff of a class in a frame becomes one segment.
    """
    pixels = _read(video, is_thing)
    both = (video.gt_rows >= 0) & (video.pred_rows >= 0)
    votes = np.zeros((len(video.pred.ids), len(is_thing)))
    np.add.at(
        votes,
        (video.pred_rows[both], video.gt.labels[video.gt_rows[both]]),
        video.counts[both],
    )
    # The appended label is that of void.
    labels = np.append(
        np.where(votes.any(1), votes.argmax(1), video.pred.labels), -1
    )[video.pred_rows]
    is_new = labels != pixels.labels
    # Another id for each track and class, and for each class of stuff. An
    # annotated thing has one id.
    ids = np.where(
        _is_true(pixels.ids), pixels.ids, pixels.ids + (labels + 1) * (1 << 42)
    )
    ids = np.where(
        np.append(is_thing, False)[labels], ids, _STUFF_IDS + labels
    )
    return _write(video, pixels.change(is_new, ids, labels))


def true_association(video: VideoCounts, is_thing: np.ndarray) -> VideoCounts:
    """Give predicted segments the ids of annotated things.

    A segment that matches an annotated thing gets its id. A predicted thing
    that matches nothing gets the id of the thing that its track matches in
    most frames, unless another segment of the frame has it. Others keep their
    id.
    """
    pixels = _read(video, is_thing)
    tubes = _true_tubes(video, is_thing)[video.pred_rows]
    return _write(
        video, pixels.change(tubes > 0, _TRUE_IDS + tubes, pixels.labels)
    )


def _true_tubes(video: VideoCounts, is_thing: np.ndarray) -> np.ndarray:
    """Find the annotated thing of each predicted segment.

    Args:
        video (VideoCounts): The video.
        is_thing (np.ndarray): Whether a class is a thing, (C,).

    Returns:
        np.ndarray: Numbers of annotated tubes, 0 is none, (n_pred + 1,); the
        last item belongs to void.
    """
    gt, pred = video.gt, video.pred
    owners = _owners(video)[:-1]
    matched = np.append(is_thing[gt.labels], False)[owners]
    tubes = np.where(matched, np.append(gt.tubes, 0)[owners], 0)
    votes = np.zeros(
        (pred.tubes.max(initial=0) + 1, gt.tubes.max(initial=0) + 1), np.int64
    )
    np.add.at(votes, (pred.tubes[matched], tubes[matched]), 1)
    main = votes.argmax(1)[pred.tubes]  # 0 without a vote
    taken = set(zip(pred.frames[matched].tolist(), tubes[matched].tolist()))
    free = is_thing[pred.labels] & (owners < 0) & (main > 0)
    # The largest of several segments gets the id.
    for row in sorted(np.flatnonzero(free), key=lambda row: -pred.areas[row]):
        key = int(pred.frames[row]), int(main[row])
        if key not in taken:
            taken.add(key)
            tubes[row] = main[row]
    return np.append(tubes, 0)


def true_masks(video: VideoCounts, is_thing: np.ndarray) -> VideoCounts:
    """Give each segment that matches an annotated one its mask.

    Pixels that such a segment loses are void.
    """
    pixels = _read(video, is_thing)
    matches = np.append(_matches(video), -1)[video.gt_rows]
    lost = (matches < 0) & (_owners(video)[video.pred_rows] >= 0)
    pixels = pixels.change(lost, 0, -1)
    ids, labels = _predicted(video, is_thing)
    return _write(
        video, pixels.change(matches >= 0, ids[matches], labels[matches])
    )


def add_missing(video: VideoCounts, is_thing: np.ndarray) -> VideoCounts:
    """Add the annotated segments that no predicted segment matches.

    They come over all predicted segments. An added segment replaces a segment
    of its id, for stuff of its class, that matches nothing.
    """
    pixels = _read(video, is_thing)
    # The last items belong to void.
    is_missing = np.append((_matches(video) < 0) & ~video.gt.is_crowd, False)
    is_missing = is_missing[video.gt_rows]
    labels = np.append(video.gt.labels, -1)[video.gt_rows]
    ids = np.where(
        np.append(is_thing, False)[labels],
        _TRUE_IDS + np.append(video.gt.tubes, 0)[video.gt_rows],
        _STUFF_IDS + labels,
    )
    _, numbers = np.unique(np.stack([pixels.ids, ids]), return_inverse=True)
    old, new = numbers.reshape(2, -1) * video.num_frames + pixels.frames
    replaced = np.isin(old, new[is_missing])
    replaced &= _owners(video)[video.pred_rows] < 0
    pixels = pixels.change(replaced, 0, -1)
    return _write(video, pixels.change(is_missing, ids, labels))


def remove_false(video: VideoCounts, is_thing: np.ndarray) -> VideoCounts:
    """Remove the predicted segments that match no annotated segment."""
    pixels = _read(video, is_thing)
    is_false = _owners(video)[video.pred_rows] < 0
    return _write(video, pixels.change(is_false, 0, -1))


ORACLES: dict[str, Oracle] = {
    'true association': true_association,
    'true classes': true_classes,
    'false removed': remove_false,
    'missing added': add_missing,
    'true masks': true_masks,
}


def apply_oracles(
    video: VideoCounts, is_thing: Sequence[bool], names: Sequence[str]
) -> VideoCounts:
    """Apply oracles one after the other.

    Args:
        video (VideoCounts): The video.
        is_thing (Sequence[bool]): Whether a class is a thing, (C,).
        names (Sequence[str]): Names of the oracles, keys of ``ORACLES``.

    Returns:
        VideoCounts: The video with the corrected prediction.
    """
    for name in names:
        video = ORACLES[name](video, np.asarray(is_thing, bool))
    return video


def _is_true(ids: np.ndarray) -> np.ndarray:
    """Return which ids are those of annotated things."""
    return (ids >= _TRUE_IDS) & (ids < _STUFF_IDS)


def _matches(video: VideoCounts) -> np.ndarray:
    """Match annotated segments: row of the prediction or -1, (n_gt,)."""
    return np.where(video.gt.is_crowd, -1, match_segments(video))


def _owners(video: VideoCounts) -> np.ndarray:
    """Match predicted segments: row of the annotation or -1, (n_pred + 1,).

    The last item belongs to void.
    """
    matches = _matches(video)
    owners = np.full(len(video.pred.ids) + 1, -1)
    found = np.flatnonzero(matches >= 0)
    owners[matches[found]] = found
    return owners


def _predicted(
    video: VideoCounts, is_thing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return id and label of each predicted segment, each (n_pred + 1,).

    The id of stuff is that of its class, unless it matches an annotated thing.
    The last items belong to void.
    """
    labels, ids = video.pred.labels, video.pred.ids
    ids = np.where(is_thing[labels] | _is_true(ids), ids, _STUFF_IDS + labels)
    return np.append(ids, 0), np.append(labels, -1)


def _read(video: VideoCounts, is_thing: np.ndarray) -> _Pixels:
    """Read the groups of pixels of a video."""
    ids, labels = _predicted(video, is_thing)
    frames = np.where(
        video.gt_rows >= 0,
        np.append(video.gt.frames, -1)[video.gt_rows],
        np.append(video.pred.frames, -1)[video.pred_rows],
    )
    return _Pixels(
        frames,
        video.gt_rows,
        ids[video.pred_rows],
        labels[video.pred_rows],
        video.counts,
    )


def _write(video: VideoCounts, pixels: _Pixels) -> VideoCounts:
    """Make a video of groups of pixels; groups of one segment are joined."""
    seen = (pixels.ids > 0) | (pixels.gt_rows >= 0)
    frames, gt_rows, ids, labels, counts = (x[seen] for x in pixels)
    segments, inverse = np.unique(
        np.stack([frames, ids]), axis=1, return_inverse=True
    )
    inverse = inverse.ravel()
    is_void = segments[1] == 0
    rows = np.where(is_void, -1, np.cumsum(~is_void) - 1)[inverse]
    kept = segments[:, ~is_void]
    predicted = rows >= 0
    of_segment = np.zeros(kept.shape[1], np.int64)
    of_segment[rows[predicted]] = labels[predicted]
    pairs, groups = np.unique(
        np.stack([gt_rows, rows]), axis=1, return_inverse=True
    )
    return video._replace(
        pred=Segments(
            frames=kept[0],
            tubes=np.unique(kept[1], return_inverse=True)[1] + 1,
            labels=of_segment,
            is_crowd=np.zeros(kept.shape[1], bool),
            areas=np.bincount(
                rows[predicted], counts[predicted], kept.shape[1]
            ).astype(np.int64),
            ids=kept[1],
        ),
        gt_rows=pairs[0],
        pred_rows=pairs[1],
        counts=np.bincount(groups.ravel(), counts).astype(np.int64),
    )
