# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A video with its tracks, of which films and single frames are drawn."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from ..apis import FrameSource, VideoWriter
from ..errors import InputError
from .tracks import Matches, Track, draw_tracks, select

DEFAULT_FPS = 10.0
_KEPT_FRAMES = 16
_SMALL = 360  # pixels; frames of a smaller height are enlarged


class Review:
    """A video with predicted and, if there are any, annotated tracks.

    Annotated tracks are drawn left of the predicted ones.

    Args:
        source (FrameSource): The video.
        tracks (Sequence[Track]): Predicted tracks.
        truth (Sequence[Track], optional): Annotated tracks. Defaults to None.
        indices (Sequence[int], optional): Numbers of the frames of the video
            that the tracks belong to, ascending. Defaults to None: the first
            frames, or all if there are no tracks.
        max_frames (int, optional): Use no more than this number of frames.
            Defaults to None.

    Raises:
        InputError: If tracks differ in their number of frames, or there are
            no frames.
    """

    def __init__(
        self,
        source: FrameSource,
        tracks: Sequence[Track],
        truth: Sequence[Track] | None = None,
        indices: Sequence[int] | None = None,
        max_frames: int | None = None,
    ) -> None:
        lengths = {len(track.masks) for track in (*tracks, *(truth or ()))}
        if len(lengths) > 1:
            raise InputError(
                f'The tracks have {" and ".join(map(str, sorted(lengths)))} '
                'frames: results and truth must be of the same video.'
            )
        self.source = source
        self.tracks = list(tracks)
        self.truth = None if truth is None else list(truth)
        self.matches = None if truth is None else Matches(tracks, truth)
        if indices is None:
            num_frames = lengths.pop() if lengths else source.num_frames or 0
            indices = range(num_frames)
        self.indices = list(indices[:max_frames])
        if not self.indices:
            raise InputError('The results have no frames.')
        self._reader = _Reader(source, self.indices)

    @property
    def num_frames(self) -> int:
        """int: Number of frames that the tracks belong to."""
        return len(self.indices)

    @property
    def scale(self) -> int:
        """int: Enlargement of drawn frames."""
        return max(_SMALL // self.source.size[0], 1)

    def find(self, number: int) -> Track | None:
        """Return the predicted track of a number, or None."""
        return next((x for x in self.tracks if x.number == number), None)

    def draw(
        self,
        frame: np.ndarray,
        t: int,
        only: Track | None = None,
        min_score: float = 0.0,
    ) -> np.ndarray:
        """Draw a frame.

        Args:
            frame (np.ndarray): BGR, uint8, shape (H, W, 3).
            t (int): Number of the frame among those of the tracks.
            only (Track, optional): The only track to draw, with the annotated
                track that it overlaps most. Defaults to None: all.
            min_score (float): Minimum score of the tracks. Defaults to 0.

        Returns:
            np.ndarray: BGR, uint8, shape (H, W, 3), or (H, 2 * W, 3) with the
            truth; H and W are those of the video times ``scale``.
        """
        shown = [only] if only else select(self.tracks, min_score)
        drawn = draw_tracks(frame, shown, t, self.scale)
        if self.truth is None or self.matches is None:
            return drawn
        found = self.matches.find(only) if only else None
        others = [found[0]] if found else self.truth
        truth = draw_tracks(frame, others, t, self.scale)
        return np.concatenate([truth, drawn], axis=1)

    def picture(
        self, t: int, only: Track | None = None, min_score: float = 0.0
    ) -> np.ndarray:
        """Read and draw one frame, see :meth:`draw`."""
        t = min(max(t, 0), self.num_frames - 1)
        return self.draw(self._reader.read(t), t, only, min_score)

    def film(
        self, path: Path, only: Track | None = None, min_score: float = 0.0
    ) -> Iterator[int]:
        """Draw all frames and write them as H.264, which browsers play.

        Args:
            path (Path): The file, .mp4.
            only (Track, optional): See :meth:`draw`. Defaults to None.
            min_score (float): See :meth:`draw`. Defaults to 0.

        Yields:
            int: Number of frames that are written.

        Raises:
            InputError: If the video has fewer frames than the results.
        """
        height, width = (side * self.scale for side in self.source.size)
        width *= 1 if self.truth is None else 2
        size = height + height % 2, width + width % 2  # H.264 has even sizes
        fps = self.source.fps or DEFAULT_FPS
        t = 0
        with VideoWriter(str(path), fps, size) as writer:
            for t, frame in enumerate(iterate(self.source, self.indices)):
                drawn = cv2.copyMakeBorder(
                    self.draw(frame, t, only, min_score),
                    0,
                    height % 2,
                    0,
                    width % 2,
                    cv2.BORDER_REPLICATE,
                )
                writer.write(drawn, self.source.frame_times(self.indices[t]))
                yield t + 1
        if t + 1 < self.num_frames:
            raise InputError(
                f'The results have {self.num_frames} frames, but the video '
                f'{self.source.name} has {t + 1}: they do not belong together.'
            )


def iterate(
    source: FrameSource, indices: Sequence[int]
) -> Iterator[np.ndarray]:
    """Yield the frames of these numbers, which ascend."""
    wanted = iter(indices)
    index = next(wanted, None)
    if index is None:
        return
    for number, frame in enumerate(source):
        if number == index:
            yield frame
            index = next(wanted, None)
            if index is None:
                return


class _Reader:
    """Reader of single frames; steps of some frames need no second reading.

    Args:
        source (FrameSource): The video.
        indices (Sequence[int]): See :func:`iterate`.
    """

    def __init__(self, source: FrameSource, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = indices
        self._lock = Lock()
        self._frames: Iterator[np.ndarray] = iter(())
        self._next = 0
        self._kept: deque[tuple[int, np.ndarray]] = deque(maxlen=_KEPT_FRAMES)

    def read(self, t: int) -> np.ndarray:
        """Return the frame of a number.

        Raises:
            InputError: If the video ends before it.
        """
        with self._lock:
            for number, frame in self._kept:
                if number == t:
                    return frame
            if t < self._next or self._next == 0:
                self._frames = iterate(self._source, self._indices)
                self._next = 0
                self._kept.clear()
            for frame in self._frames:
                self._kept.append((self._next, frame))
                self._next += 1
                if self._next > t:
                    return frame
        raise InputError(f'The video {self._source.name} has no frame {t}.')
