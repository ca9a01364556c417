# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A camera that is faster than the model."""

import threading
import weakref
from itertools import count

from projects.maxtron.apis import FrameSource, LiveSource, VideoError

import numpy as np
import pytest

RATE, MODEL_RATE, CLIP_LEN = 30, 5, 2


class Clock:
    """Time that stands still while the camera's thread works."""

    def __init__(self, now):
        self.now = now
        self.next_frame = None
        self.ended = False
        self.changed = threading.Condition()

    def __call__(self):
        return self.now

    def wait_until(self, time):
        """Wait for a time; called by the camera. Return False at the end."""
        with self.changed:
            self.next_frame = time
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.now >= time or self.ended)
        return not self.ended

    def advance(self, seconds):
        """Let time pass, and the camera deliver the frames of that time."""
        end = self.now + seconds
        with self.changed:
            while self.next_frame <= end:
                self.now = self.next_frame
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.next_frame > self.now)
            self.now = end

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()


class Camera(FrameSource):
    """A camera that counts the frames in memory."""

    name, size, fps = 'camera', (2, 2), RATE
    rereadable, endless = False, True

    def __init__(self, clock):
        self.clock = clock
        self.alive = self.most_alive = 0

    def __iter__(self):
        for i in count():
            if not self.clock.wait_until(i / RATE):
                return
            frame = np.full((2, 2, 3), i, np.int32)
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
            weakref.finalize(frame, self._forget)
            yield frame
            del frame

    def _forget(self):
        self.alive -= 1


def watch(policy, seconds):
    """Run a model of 5 frames/s on a camera of 30 frames/s."""
    clock = Clock((CLIP_LEN - 1) / RATE)  # The first clip is due.
    camera = Camera(clock)
    live = LiveSource(
        camera, CLIP_LEN, policy=policy, queue_len=30, clock=clock
    )
    shown, latencies = [], []
    for index, frame in enumerate(frames := iter(live)):
        shown.append(int(frame[0, 0, 0]))
        del frame
        if index % CLIP_LEN == CLIP_LEN - 1:
            clock.advance(CLIP_LEN / MODEL_RATE)
            for i in range(index + 1 - CLIP_LEN, index + 1):
                live.note_result(i)
            latencies.append(live.latency)
            if clock() > seconds:
                break
    counts = live.num_read, live.num_dropped, len(live._queue)
    clock.end()
    frames.close()
    return live, camera, shown, latencies, counts


@pytest.mark.parametrize(
    'policy, waiting, seconds',
    [('latest_clip', 1, 600), ('drop_oldest', 30, 60)],
)
def test_ten_minutes_of_a_fast_camera(policy, waiting, seconds):
    live, camera, shown, latencies, counts = watch(policy, seconds)
    assert len(latencies) == live.num_clips == 2.5 * seconds
    # The network, and what may wait: frames that no clip contains are gone.
    work, frame = CLIP_LEN / MODEL_RATE, 1 / RATE
    assert min(latencies) > work - 1e-6
    assert max(latencies) < work + waiting * frame + 1e-6
    assert max(latencies) == live.max_latency
    assert max(latencies[-100:]) == pytest.approx(max(latencies[20:120]))
    assert live.mean_latency == pytest.approx(np.mean(latencies))
    read, dropped, queued = counts
    assert read == len(shown) + dropped + queued
    assert read == pytest.approx(seconds * RATE, abs=CLIP_LEN)
    assert len(shown) == seconds * MODEL_RATE
    steps = np.diff(shown)
    assert (steps > 0).all() and (steps[::CLIP_LEN] == 1).all()
    assert camera.most_alive <= waiting + CLIP_LEN + 2
    assert len(live._times) == min(1000, len(shown))
    start, end = live.frame_times(len(shown) - 2)
    assert end - start == pytest.approx(frame)
    assert start == pytest.approx(shown[-2] / RATE, abs=frame)
    assert f'{dropped} dropped' in live.status()
    assert f'{dropped} of {read} frames dropped (8' in live.summary()


def test_nothing_is_dropped_while_the_model_keeps_up():
    frames = [np.full((2, 2, 3), i, np.uint8) for i in range(7)]

    class Source(FrameSource):
        name, size = 'short', (2, 2)

        def __iter__(self):
            yield from frames
            raise VideoError('unplugged')

    for policy in ('latest_clip', 'drop_oldest'):
        live = LiveSource(Source(), 7, policy=policy)
        shown = []
        with pytest.raises(VideoError, match='unplugged'):
            shown.extend(live)
        assert [frame[0, 0, 0] for frame in shown] == list(range(7))
        assert live.num_dropped == 0 and live.num_read == 7


def test_a_camera_that_hangs_ends_the_video():
    clock = Clock(0)
    live = LiveSource(Camera(clock), CLIP_LEN, timeout=0.01)
    with pytest.warns(UserWarning, match='camera delivered no frame for 0.01'):
        assert len(list(live)) == 1
    clock.end()
