# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of a camera."""

from collections.abc import Iterator
from itertools import chain

import cv2
import numpy as np

from .base import FrameSource, VideoError, plausible_rate


class CameraSource(FrameSource):
    """Frames of a camera, until the camera or the caller stops.

    Args:
        index (int): Index of the camera, from 0.

    Raises:
        VideoError: If the camera cannot be opened or delivers no frame.
    """

    rereadable = False
    endless = True

    def __init__(self, index: int) -> None:
        self.name = f'camera{index}'
        self._capture = cv2.VideoCapture(index)
        ok, self._first = (
            self._capture.read() if self._capture.isOpened() else (False, None)
        )
        if not ok:
            self._capture.release()
            raise VideoError(
                f'Camera {index} cannot be opened. Check that it is plugged '
                'in, that no other program uses it, and that you may read it '
                f'(on Linux: ls -l /dev/video{index}).'
            )
        self.size = self._first.shape[:2]
        self.fps = plausible_rate(self._capture.get(cv2.CAP_PROP_FPS))

    def __iter__(self) -> Iterator[np.ndarray]:
        try:
            frames = chain([self._first], self._read_all())
            for count, frame in enumerate(frames):
                yield self._checked(frame, f'Frame {count} of {self.name}')
        finally:
            self._capture.release()

    def _read_all(self) -> Iterator[np.ndarray]:
        """Yield frames until the camera has no more."""
        while True:
            ok, frame = self._capture.read()
            if not ok:
                return
            yield frame
