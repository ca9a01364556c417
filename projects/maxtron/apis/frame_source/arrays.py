# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames in memory or from a generator."""

from collections.abc import Iterable, Iterator, Sized
from itertools import chain

import numpy as np

from .base import FrameSource, VideoError


class ArraySource(FrameSource):
    """Frames in memory or from a generator.

    Args:
        frames (Iterable[np.ndarray]): Frames (H, W, 3), BGR, uint8: an array
            (T, H, W, 3), a list, or any iterable. A plain iterable can be read
            once and has no known length.
        fps (float, optional): Frames per second. Defaults to None.

    Raises:
        VideoError: If there is no frame.
        TypeError: If a frame is no uint8 array of three channels.
    """

    def __init__(
        self, frames: Iterable[np.ndarray], fps: float | None = None
    ) -> None:
        self.name = 'frames'
        self.fps = fps
        self._frames = frames
        if isinstance(frames, Sized):
            self.num_frames = len(frames)
        iterator = iter(frames)
        first = next(iterator, None)
        if first is None:
            raise VideoError(
                'The video has no frame: the array, list or '
                'iterator of frames is empty.'
            )
        if iterator is frames:  # A generator: put the first frame back.
            self._frames = chain([first], iterator)
            self.rereadable = False
        self.size = self._as_frame(first, 0).shape[:2]

    @staticmethod
    def _as_frame(frame: np.ndarray, index: int) -> np.ndarray:
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
        ):
            found = (
                f'{frame.dtype} {frame.shape}'
                if isinstance(frame, np.ndarray)
                else type(frame).__name__
            )
            raise TypeError(
                f'Frame {index} must be a uint8 array (H, W, 3) '
                f'in BGR order, got {found}.'
            )
        return frame

    def __iter__(self) -> Iterator[np.ndarray]:
        for index, frame in enumerate(self._frames):
            yield self._checked(self._as_frame(frame, index), f'Frame {index}')
