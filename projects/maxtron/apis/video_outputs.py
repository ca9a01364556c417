# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""All outputs of a video, and the loop that writes them."""

import os.path as osp
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

import cv2

from ..errors import InputError
from ..pipeline import map_ahead
from ..utils import make_parent, part_path
from .frame_source import FrameSource
from .inferencer import MaXTronInferencer
from .result_writers import VideoWriter, check_video_path
from .video_results import open_results

DEFAULT_FPS = 10.0
DEFAULT_SCORE_THR = 0.3
_DRAWING_THREADS = 4
_WINDOW = 'MaXTron (q or Esc to stop)'


@dataclass
class OutputOptions:
    """Files and window for the results of a video.

    Attributes:
        video (str, optional): Drawn video.
        json (str, optional): File of masks, see :func:`open_results`.
        png (str, optional): Folder of masks, see :func:`open_results`.
        score_thr (float, optional): Minimum score of the instances in the
            drawn video and the PNG files; None: 0.3.
        fps (float, optional): Constant frame rate of the drawn video; None:
            the time stamps of the input, or 10 frames/s if it has none.
        show (bool): Whether to open a window.
        wait_time (float): Seconds that the window shows a frame, 0 until a
            key is pressed.
    """

    video: str | None = None
    json: str | None = None
    png: str | None = None
    score_thr: float | None = None
    fps: float | None = None
    show: bool = False
    wait_time: float = 0.001

    @property
    def paths(self) -> list[str]:
        """list[str]: Absolute paths of the files and the folder."""
        outs = (self.video, self.json, self.png)
        return [osp.abspath(out) for out in outs if out]

    def check(self, input_path: str) -> None:
        """Check that the outputs are distinct files.

        Args:
            input_path (str): Path of the input.

        Raises:
            InputError: If an output would overwrite the input or another
                output, or its name is invalid.
        """
        if self.video:
            check_video_path(self.video)
        for option, path in {
            '--out': self.video,
            '--out-json': self.json,
        }.items():
            if path and osp.isdir(path):
                raise InputError(f'{option} {path} is a folder: name a file')
            if (
                path
                and osp.exists(path)
                and osp.exists(input_path)
                and osp.samefile(input_path, path)
            ):
                raise InputError(f'{option} would overwrite the input {path}')
        paths = [osp.realpath(path) for path in self.paths]
        if len(set(paths)) < len(paths):
            raise InputError('--out, --out-json and --out-png must differ')


class VideoOutputs:
    """Context manager of all outputs of a video.

    Args:
        options (OutputOptions): The files and the window.
        source (FrameSource): The video.
        inferencer (MaXTronInferencer): The model.

    Attributes:
        num_frames (int): Number of written frames.
        results (VideoResults): Writer of the masks.

    Raises:
        FileExistsError: If the folder of masks has files.
        InputError: If the model or FFmpeg cannot produce an output.
        WriteError: If a file cannot be written.
    """

    def __init__(
        self,
        options: OutputOptions,
        source: FrameSource,
        inferencer: MaXTronInferencer,
    ) -> None:
        self.options = options
        self.source = source
        self.inferencer = inferencer
        self.score_thr = (
            DEFAULT_SCORE_THR
            if options.score_thr is None
            else options.score_thr
        )
        self.num_frames = 0
        self.video: VideoWriter | None = None
        for path in filter(None, (options.video, options.json)):
            make_parent(path)
        with ExitStack() as stack:
            if options.video:
                fps = options.fps or source.fps or DEFAULT_FPS
                self.video = stack.enter_context(
                    VideoWriter(options.video, fps, source.size)
                )
            self.results = stack.enter_context(
                open_results(
                    inferencer,
                    source,
                    options.png,
                    options.json,
                    self.score_thr,
                )
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> 'VideoOutputs':
        return self

    def __exit__(self, *exc) -> None:
        self._stack.__exit__(*exc)

    def prepare(self, result: tuple) -> tuple:
        """Draw and encode a frame; runs in several threads.

        Args:
            result (tuple): Frame and sample of
                :meth:`MaXTronInferencer.stream`.

        Returns:
            tuple: Arguments of :meth:`write`.
        """
        frame, sample = result
        drawn = None
        if self.video or self.options.show:
            drawn = self.inferencer.draw(frame, sample, self.score_thr)
        return sample, self.results.prepare(sample), drawn

    def write(self, sample, prepared, drawn) -> bool:
        """Write the next frame; return False if the user closed the window.

        The arguments are the result of :meth:`prepare`.
        """
        name = self.source.frame_name(self.num_frames)
        self.results.write_frame(sample, prepared, name)
        if self.video:
            times = self.source.frame_times(self.num_frames)
            self.video.write(drawn, None if self.options.fps else times)
        go_on = not self.options.show or _show(drawn, self.options.wait_time)
        self.num_frames += 1
        return go_on

    def kept(self) -> list[str]:
        """List the incomplete files after an error."""
        outs = (self.options.video, self.options.json)
        parts = [osp.abspath(part_path(out)) for out in outs if out]
        return [part for part in parts if osp.exists(part)]


def process_video(
    outputs: VideoOutputs,
    max_frames: int | None = None,
    on_read: Callable[[], object] | None = None,
    on_result: Callable[[], bool] | None = None,
) -> None:
    """Process a video and write its outputs.

    The outputs are complete when the function returns, also after
    ``on_result`` or the user's key in the window ended the video early.

    Args:
        outputs (VideoOutputs): The outputs, with source and inferencer.
        max_frames (int, optional): Stop after this number of frames.
            Defaults to None.
        on_read (Callable, optional): See :meth:`MaXTronInferencer.stream`.
        on_result (Callable, optional): Called after each written frame;
            returns whether to go on. Defaults to None: to the end.
    """
    results = outputs.inferencer.stream(outputs.source, max_frames, on_read)
    frames = map_ahead(outputs.prepare, results, _DRAWING_THREADS)
    # The outputs are completed before the clips in work are waited for.
    with closing(results), closing(frames), outputs:
        for frame in frames:
            go_on = outputs.write(*frame)
            if on_result is not None:
                go_on &= on_result()
            if not go_on:
                break


def _show(frame, wait_time: float) -> bool:
    """Show a frame; return False if the user pressed q or Esc."""
    cv2.imshow(_WINDOW, frame)
    delay = max(1, round(wait_time * 1000)) if wait_time > 0 else 0
    return cv2.waitKey(delay) & 0xFF not in (ord('q'), 27)
