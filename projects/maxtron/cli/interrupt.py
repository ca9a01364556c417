# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import signal

from ..apis import VideoError


class StopOnInterrupt:
    """Handler of Ctrl-C, which ends the video.

    The first Ctrl-C finishes the current frame, so that all outputs end at the
    same frame. The second Ctrl-C ends the program at once. If the whole video
    is read first, the first Ctrl-C before any result also ends the program at
    once.

    Args:
        results_at_end (bool): Whether the whole video is read first.

    Attributes:
        requested (bool): Whether Ctrl-C was pressed.
        reading (bool): Whether there is no result yet; the caller unsets it.
    """

    def __init__(self, results_at_end: bool) -> None:
        self.requested = False
        self.reading = results_at_end

    def __enter__(self) -> 'StopOnInterrupt':
        self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, signum, frame) -> None:
        if self.reading:
            raise VideoError('Interrupted before the first result.')
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *exc) -> None:
        signal.signal(signal.SIGINT, self._previous)
