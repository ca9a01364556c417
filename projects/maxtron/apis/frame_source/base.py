# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Interface of frame sources."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from ...errors import InputError

# Containers and cameras with an unknown rate state values such as 0, nan, 1000
# (the inverse of the time unit of WebM) or 90000 (that of MPEG).
_MAX_RATE = 300


class VideoError(InputError):
    """A video cannot be used as input. The message states the reason."""


class FrameSource(ABC):
    """A video: its properties, and an iterator of BGR uint8 frames.

    Attributes:
        name (str): Name of the video in messages and files.
        size (tuple[int, int]): Height and width of every frame, in pixels.
        fps (float, optional): Mean frames per second, None if unknown.
        num_frames (int, optional): Number of frames, None if unknown. For a
            file it is the number in the container, which may be wrong: only
            iteration counts the frames.
        rereadable (bool): Whether it can be iterated over more than once.
        endless (bool): Whether it continues until the caller stops.
    """

    name: str
    size: tuple[int, int]
    fps: float | None = None
    num_frames: int | None = None
    rereadable: bool = True
    endless: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3), BGR, uint8.

        Raises:
            VideoError: If a frame differs in size from the first one.
        """

    def frame_name(self, index: int) -> str:
        """Return the name of a frame without suffix, such as ``'000007'``.

        Names are unique. They may contain folders, with '/'.
        """
        return f'{index:06d}'

    def frame_times(self, index: int) -> tuple[float, float] | None:
        """Return the start and end of a frame that was read, in seconds.

        Returns:
            tuple[float, float] | None: Times since the start of the first
            frame; None if the source has no times and a constant rate.
        """
        return None

    def _checked(self, frame: np.ndarray, where: str) -> np.ndarray:
        """Return the frame after a check of its size."""
        if frame.shape[:2] != self.size:
            raise size_error(where, frame.shape[:2], 'the first', self.size)
        return frame


def plausible_rate(value: float | None) -> float | None:
    """Return a number of frames per second; None if it is implausible."""
    if value and math.isfinite(value) and 0 < value <= _MAX_RATE:
        return float(value)
    return None


def size_error(
    name: str, size: tuple[int, int], other: str, other_size: tuple[int, int]
) -> VideoError:
    """Describe two frames of a video that differ in size (H, W)."""
    return VideoError(
        f'{name} is {size[1]}x{size[0]} pixels but {other} is '
        f'{other_size[1]}x{other_size[0]}: all frames of a video must have '
        'one size. Resize or remove it.'
    )
