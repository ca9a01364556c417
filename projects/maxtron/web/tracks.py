# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tracks of a video as the pages show them: table, curves, drawn frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from ..evaluation.oracles.instances import tube_ious
from ..structures import to_bitmap
from ..visualization import draw_masks, id_colors

COLUMNS = ('track', 'class', 'score', 'first frame', 'last frame')
TRUTH_COLUMNS = ('truth', 'IoU')


@dataclass(eq=False)
class Track:
    """Masks of an object in the frames of a video.

    Attributes:
        number (int): Number that the pages show, unique in the video.
        category (str): Name of the class.
        masks (list[dict | None]): Compressed run lengths for each frame; None
            if the object is not visible.
        score (float, optional): Score of the whole track. Defaults to None:
            the results have none.
        scores (list[float | None]): Score in each frame. Defaults to an empty
            list: the results state only the score of the track.
    """

    number: int
    category: str
    masks: list[dict | None]
    score: float | None = None
    scores: list[float | None] = field(default_factory=list)

    @property
    def shown(self) -> list[int]:
        """list[int]: Numbers of the frames that show the object."""
        return [t for t, mask in enumerate(self.masks) if mask]

    @property
    def text(self) -> str:
        """str: Label in a drawn frame."""
        score = '' if self.score is None else f' {self.score:.2f}'
        return f'{self.category} {self.number}{score}'

    def score_at(self, t: int) -> float | None:
        """Return the score in a frame, or else that of the track."""
        return self.scores[t] if self.scores else self.score


def select(tracks: Sequence[Track], min_score: float) -> list[Track]:
    """Select the visible tracks of a minimum score, the best first.

    Tracks without a score are kept, in their order.
    """
    kept = [
        track
        for track in tracks
        if track.shown and (track.score is None or track.score >= min_score)
    ]
    return sorted(kept, key=lambda track: -(track.score or 0))


class Matches:
    """Annotated track that overlaps each predicted track most.

    Args:
        tracks (Sequence[Track]): Predicted tracks.
        truth (Sequence[Track]): Annotated tracks of the same frames.
    """

    def __init__(
        self, tracks: Sequence[Track], truth: Sequence[Track]
    ) -> None:
        ious = tube_ious(
            [dict(segmentations=track.masks) for track in truth],
            [dict(segmentations=track.masks) for track in tracks],
        )  # (m, n)
        self._best: dict[int, tuple[Track, float]] = {}
        for track, row in zip(tracks, ious, strict=True):
            if row.max(initial=0) > 0:
                best = int(row.argmax())
                self._best[track.number] = truth[best], float(row[best])

    def find(self, track: Track) -> tuple[Track, float] | None:
        """Return the annotated track and the IoU of the tubes, or None."""
        return self._best.get(track.number)


def make_rows(
    tracks: Sequence[Track], matches: Matches | None = None
) -> list[list]:
    """Make the rows of the table of tracks.

    Args:
        tracks (Sequence[Track]): Visible tracks.
        matches (Matches, optional): Annotated tracks. Defaults to None.

    Returns:
        list[list]: One row per track, with ``COLUMNS`` and, if there is
        truth, ``TRUTH_COLUMNS``.
    """
    rows = []
    for track in tracks:
        shown = track.shown
        score = '' if track.score is None else round(track.score, 3)
        row = [track.number, track.category, score, shown[0], shown[-1]]
        if matches is not None:
            found = matches.find(track)
            row += [found[0].text, round(found[1], 3)] if found else ['', 0.0]
        rows.append(row)
    return rows


def make_curves(
    track: Track, matches: Matches | None = None
) -> list[tuple[int, float, str]]:
    """Make the curves of a track over time.

    Args:
        track (Track): The track.
        matches (Matches, optional): Annotated tracks. Defaults to None.

    Returns:
        list[tuple[int, float, str]]: Points: frame, value, and name of the
        curve: 'score' in each frame that shows the track, and 'IoU with the
        truth' in each frame that shows the track or its annotated track.
    """
    points = []
    for t in track.shown:
        score = track.score_at(t)
        if score is not None:
            points.append((t, float(score), 'score'))
    found = matches and matches.find(track)
    if found:
        for t, (mask, other) in enumerate(zip(track.masks, found[0].masks)):
            if mask or other:
                both = mask and other
                iou = mask_utils.iou([mask], [other], [0])[0, 0] if both else 0
                points.append((t, float(iou), 'IoU with the truth'))
    return points


def draw_tracks(
    frame: np.ndarray, tracks: Sequence[Track], t: int, scale: int = 1
) -> np.ndarray:
    """Draw the masks of a frame; the first track is on top.

    Args:
        frame (np.ndarray): BGR, uint8, shape (H, W, 3).
        tracks (Sequence[Track]): Tracks to draw.
        t (int): Number of the frame.
        scale (int): Enlargement of the frame, so that labels hide less of a
            small one. Defaults to 1.

    Returns:
        np.ndarray: The drawn frame, BGR, uint8, shape
        (scale * H, scale * W, 3).
    """
    shown = [track for track in tracks if track.masks[t]]
    bitmaps = [to_bitmap(track.masks[t], frame.shape[:2]) for track in shown]
    if scale > 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale)
        bitmaps = [x.repeat(scale, 0).repeat(scale, 1) for x in bitmaps]
    return draw_masks(
        np.ascontiguousarray(frame),
        bitmaps,
        id_colors([track.number for track in shown])[:, ::-1],
        [track.text for track in shown],
    )
