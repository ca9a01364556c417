# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Progress bars of a video."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .frame_source import FrameSource, LiveSource
from .inferencer import MaXTronInferencer


class VideoProgress:
    """Progress bars: one for reading (whole-video modes), one for results.

    The bars are shown inside the context manager.

    Args:
        source (FrameSource): The video.
        inferencer (MaXTronInferencer): Reader of the video.
        max_frames (int, optional): Stop after this number of frames.
            Defaults to None.
    """

    def __init__(
        self,
        source: FrameSource,
        inferencer: MaXTronInferencer,
        max_frames: int | None = None,
    ) -> None:
        total = source.num_frames
        if max_frames is not None:
            total = min(total or max_frames, max_frames)
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            _SpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn('{task.fields[note]}'),
        )
        self._reading = None
        name = source.name
        if inferencer.results_at_end:
            passes = inferencer.num_passes
            self._reading = self._progress.add_task(
                f'{name}: reading' + (' twice' if passes > 1 else ''),
                total=total and total * passes,
                note='',
            )
            name = f'{name}: results'
        self._results = self._progress.add_task(
            name, total=total, start=not inferencer.results_at_end, note=''
        )
        self._source = source

    def __enter__(self) -> 'VideoProgress':
        self._progress.start()
        return self

    def __exit__(self, *exc) -> None:
        self._progress.stop()

    def read(self) -> None:
        """Count a frame that was read for the model."""
        if self._reading is not None:
            self._progress.advance(self._reading)

    def result(self) -> None:
        """Count a frame with a result."""
        self._progress.start_task(self._results)
        note = ''
        if isinstance(self._source, LiveSource):
            note = self._source.status()
        self._progress.update(self._results, advance=1, note=note)


class _SpeedColumn(ProgressColumn):
    """Mean frames per second, as results come in clips."""

    def render(self, task: Task) -> Text:
        if not task.completed or not task.elapsed:
            return Text('')
        return Text(f'{task.completed / task.elapsed:.1f} frames/s')
