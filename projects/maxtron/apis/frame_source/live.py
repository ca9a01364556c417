# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of a camera that is faster than the model."""

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import numpy as np

from .base import FrameSource

POLICIES = ('latest_clip', 'drop_oldest')
# More than the frames of all clips in work, whose times are needed.
_MIN_TIMES = 1000


class LiveSource(FrameSource):
    """Frames of a camera, some of which are dropped to keep up with it.

    A thread reads the camera at its own speed into a queue of fixed length.
    The policy determines which frames the model gets:

    - policy='latest_clip': each clip consists of the latest consecutive
      frames, which come after the model asks for the clip or shortly before.
      All frames between two clips are dropped. The latency is the least.
    - policy='drop_oldest': frames wait in the queue, and the oldest one is
      dropped when the queue is full. Nothing is dropped while the model keeps
      up on average. The queue adds its length to the latency.

    Frames have the times at which they arrived, so that a drawn video has the
    speed of the scene.

    Args:
        source (FrameSource): The camera or stream.
        clip_len (int): Frames of a clip of the model.
        overlap (int): Frames shared by neighbouring clips. Defaults to 0.
        policy (str): One of :data:`POLICIES`. Defaults to 'latest_clip'.
        queue_len (int): Frames that may wait with 'drop_oldest'. Defaults to
            30.
        clock (Callable[[], float]): Time in seconds. Defaults to
            ``time.monotonic``.
        timeout (float): Seconds without a frame after which the video ends.
            Defaults to 10.

    Attributes:
        num_read (int): Frames that the camera delivered.
        num_dropped (int): Frames among them that the model does not get.
        num_clips (int): Clips with results, see :meth:`note_result`.
        latency (float): Latency of the last clip, in seconds: the time from
            the arrival of its last frame to its result.
        max_latency (float): The largest latency of a clip.
        mean_latency (float): The mean over all clips.
    """

    rereadable = False
    endless = True

    def __init__(
        self,
        source: FrameSource,
        clip_len: int,
        overlap: int = 0,
        policy: str = 'latest_clip',
        queue_len: int = 30,
        clock: Callable[[], float] = time.monotonic,
        timeout: float = 10.0,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f'policy is one of {POLICIES}, got {policy!r}.')
        self.name, self.size, self.fps = source.name, source.size, source.fps
        self.policy = policy
        self._source = source
        self._clip_len, self._step = clip_len, clip_len - overlap
        self._clock = clock
        self._timeout = timeout
        is_latest = policy == 'latest_clip'
        self._queue: deque[tuple[float, np.ndarray]] = deque(
            maxlen=clip_len if is_latest else queue_len
        )
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self._times: deque[float] = deque(
            maxlen=max(_MIN_TIMES, 10 * clip_len)
        )
        self._num_given = 0
        self._start = 0.0
        self.num_read = self.num_dropped = self.num_clips = 0
        self.latency = self.max_latency = self.mean_latency = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            for index in count():
                frames = self._take(self._step if index else self._clip_len)
                if not frames:
                    break
                for arrival, frame in frames:
                    self._note_arrival(arrival)
                    yield frame
        finally:
            self._stopped = True
            thread.join(self._timeout)
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        """Read the camera; runs in a thread of its own."""
        try:
            with closing(iter(self._source)) as frames:  # type: ignore
                for frame in frames:
                    if self._stopped:
                        return
                    with self._changed:
                        self.num_read += 1
                        full = len(self._queue) == self._queue.maxlen
                        self.num_dropped += full  # append() drops the oldest
                        self._queue.append((self._clock(), frame))
                        self._changed.notify()
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _take(self, num_new: int) -> list[tuple[float, np.ndarray]]:
        """Take the next frames with their times of arrival.

        Args:
            num_new (int): Frames that the next clip needs.

        Returns:
            list[tuple[float, np.ndarray]]: One frame or, with the policy
            'latest_clip', all frames of the clip. At the end fewer or none.
        """
        wanted = num_new if self.policy == 'latest_clip' else 1
        with self._changed:
            in_time = self._changed.wait_for(
                lambda: len(self._queue) >= wanted or self._ended,
                self._timeout,
            )
            if not in_time:
                warnings.warn(
                    f'{self.name} delivered no frame for {self._timeout:g} s; '
                    'the video ends.'
                )
            if self.policy == 'latest_clip':
                while len(self._queue) > wanted:
                    self._queue.popleft()
                    self.num_dropped += 1
            num = min(wanted, len(self._queue))
            return [self._queue.popleft() for _ in range(num)]

    def _note_arrival(self, arrival: float) -> None:
        """Keep the time of a frame that the model gets."""
        if self._num_given == 0:
            self._start = arrival
        self._times.append(arrival - self._start)
        self._num_given += 1

    def frame_times(self, index: int) -> tuple[float, float]:
        """Return the arrival of a recent frame and of the next one.

        See the base class. The end of the latest frame is estimated.
        """
        position = index - (self._num_given - len(self._times))
        start = self._times[position]
        if position + 1 < len(self._times):
            return start, self._times[position + 1]
        return start, start + 1 / (self.fps or 25.0)

    def note_result(self, index: int) -> None:
        """Measure the latency of a clip when its last frame has a result.

        Args:
            index (int): Index of the frame whose result was written.
        """
        rest = index + 1 - self._clip_len
        if rest < 0 or rest % self._step:
            return
        arrival = self._start + self.frame_times(index)[0]
        self.latency = self._clock() - arrival
        self.num_clips += 1
        self.max_latency = max(self.max_latency, self.latency)
        self.mean_latency += (
            self.latency - self.mean_latency
        ) / self.num_clips

    def status(self) -> str:
        """Describe the last clip, for a progress bar."""
        return f'latency {self.latency:.2f} s, {self.num_dropped} dropped'

    def summary(self) -> str:
        """Describe the whole run."""
        share = self.num_dropped / max(1, self.num_read)
        return (
            f'latency per clip {self.mean_latency:.2f} s on average, '
            f'{self.max_latency:.2f} s at most; {self.num_dropped} of '
            f'{self.num_read} frames dropped ({share:.0%})'
        )
