# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Latency, dropped frames and memory with a camera faster than the model.

The camera is synthetic, or an address such as rtsp://host/stream. The model
waits after each clip until it is as slow as ``--model-fps``. Its results are
drawn and written as a video, as ``maxtron predict --live --out`` does.
"""

import tempfile
import time
from collections.abc import Iterator

from projects.maxtron.apis import (
    FrameSource,
    LiveSource,
    MaXTronInferencer,
    OutputOptions,
    VideoOutputs,
    open_frame_source,
    process_video,
)
from projects.maxtron.apis.frame_source.live import POLICIES

import numpy as np
import torch

from tools.benchmarks.cli import Column, Table, make_parser, write_json
from tools.benchmarks.measuring import MIB, resident

_COLUMNS = (
    Column('time s', 'seconds', '.0f'),
    Column('memory MiB', 'memory', '.1f'),
    Column('median s', 'median', '.2f'),
    Column('95% s', 'percentile', '.2f'),
    Column('max s', 'max', '.2f'),
    Column('frames', 'frames', 'd'),
    Column('dropped', 'dropped', 'd'),
    Column('read', 'read', 'd'),
)


class Camera(FrameSource):
    """A camera that shows a moving picture with noise.

    Args:
        fps (float): Frames per second.
        size (tuple[int, int]): Height and width.
    """

    name, rereadable, endless = 'camera', False, True

    def __init__(self, fps: float, size: tuple[int, int]) -> None:
        self.fps, self.size = fps, size
        rng = np.random.default_rng(0)
        self._picture = rng.integers(0, 255, (*size, 3), np.uint8)

    def __iter__(self) -> Iterator[np.ndarray]:
        start = time.monotonic()
        i = 0
        while True:
            time.sleep(max(0.0, start + i / self.fps - time.monotonic()))
            yield np.roll(self._picture, i % self.size[1], axis=1)
            i += 1


class Watch:
    """Measurements of a run, a row for each period.

    Args:
        live (LiveSource): The camera.
        seconds (float): Length of the run.
        period (float): Length of a period, in seconds.
    """

    def __init__(
        self, live: LiveSource, seconds: float, period: float
    ) -> None:
        self.live, self.seconds, self.period = live, seconds, period
        self.table = Table(_COLUMNS, {})
        self.rows: list[dict] = []
        self._latencies: list[float] = []
        self._frames = 0
        self._start: float | None = None

    def on_result(self) -> bool:
        """Count a frame; return whether the run goes on."""
        now = time.monotonic()
        if self._start is None:
            self._start = now  # The model is built and has run once.
            print(self.table.header(), flush=True)
        num_clips = self.live.num_clips
        self.live.note_result(self._frames)
        self._frames += 1
        if self.live.num_clips > num_clips:
            self._latencies.append(self.live.latency)
        seconds = now - self._start
        is_due = seconds >= self.period * (len(self.rows) + 1)
        if is_due and self._latencies:
            self._add_row(seconds)
        return seconds < self.seconds

    def _add_row(self, seconds: float) -> None:
        latencies = self._latencies
        self._latencies = []
        row = dict(
            seconds=seconds,
            memory=resident() / MIB,
            median=float(np.median(latencies)),
            percentile=float(np.percentile(latencies, 95)),
            max=max(latencies),
            frames=self._frames,
            dropped=self.live.num_dropped,
            read=self.live.num_read,
        )
        self.rows.append(row)
        print(self.table.row(row), flush=True)


def slow_down(inferencer: MaXTronInferencer, fps: float) -> None:
    """Let the backbone take the time of a model with this speed."""
    last = [0.0]

    def wait(module, args, features) -> None:
        due = last[0] + len(args[0]) / fps
        time.sleep(max(0.0, due - time.monotonic()))
        last[0] = time.monotonic()

    inferencer.model.backbone.register_forward_hook(wait)


def main() -> None:
    parser = make_parser(__doc__, threads=1)
    parser.add_argument('source', nargs='?', help='address of a real camera')
    parser.add_argument('--model', default='maxtron_tiny')
    parser.add_argument('--camera-fps', type=float, default=30.0)
    parser.add_argument('--model-fps', type=float, default=5.0)
    parser.add_argument('--size', type=int, nargs=2, default=(360, 640))
    parser.add_argument('--policy', choices=POLICIES, default=POLICIES[0])
    parser.add_argument('--seconds', type=float, default=600.0)
    parser.add_argument('--period', type=float, default=30.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    inferencer = MaXTronInferencer(args.model, device=args.device)
    slow_down(inferencer, args.model_fps)
    head = inferencer.model.head
    camera = (
        open_frame_source(args.source)
        if args.source
        else Camera(args.camera_fps, tuple(args.size))
    )
    live = LiveSource(camera, head.clip_len, head.overlap, args.policy)
    watch = Watch(live, args.seconds, args.period)
    with tempfile.TemporaryDirectory() as folder:
        options = OutputOptions(video=f'{folder}/live.mp4')
        outputs = VideoOutputs(options, live, inferencer)
        process_video(outputs, on_result=watch.on_result)
    print(live.summary())
    write_json(args, rows=watch.rows)


if __name__ == '__main__':
    main()
