# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Track and segment a video: its instances, or things and stuff.

    python demo/video_demo.py INPUT CONFIG --checkpoint CKPT --out OUT.mp4

INPUT is a video file, a folder of frames, or the number of a camera. CONFIG is
that of a model for instances or of a panoptic one. The video is read,
processed and written clip by clip, in memory that does not grow with its
length. Ctrl-C ends it; what was done until then is kept. Where all of the
video must be seen first (--mode offline; --mode video of a panoptic model),
results come after that; --feature-cache none then keeps the memory flat.
"""

import argparse
import os
import os.path as osp
import signal
import sys
import time
from contextlib import ExitStack, closing

from projects.maxtron.apis import (
    FrameSource,
    MaXTronInferencer,
    VideoError,
    VideoWriter,
    open_frame_source,
    open_results,
)
from projects.maxtron.engine.cli import add_cfg_options

import cv2
import torch
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

DEFAULT_FPS = 10.0
DEFAULT_SCORE_THR = 0.3
PANOPTIC_SCORE_THR = (
    'note: --score-thr has no effect on a panoptic model, which gives every '
    'pixel to at most one segment. What becomes a segment is decided by '
    'pixel_thr, thing_thr, stuff_thr and overlap_thr of model.head.test_cfg, '
    'which --cfg-options can set.'
)
WINDOW = 'MaXTron (q or Esc to stop)'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'input', help='video file, folder of frames, or camera number'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='drawn video to write (.mp4)')
    parser.add_argument(
        '--out-json',
        help='masks to write, as a YouTube-VIS submission; of a panoptic '
        'model the segments of --out-png, as pred.json of a VIPSeg submission',
    )
    parser.add_argument(
        '--out-png',
        help='folder for masks, one PNG of instance ids a frame; of a '
        'panoptic model one of segment ids R + 256 G + 65536 B, and '
        'segments.json, which says what they are',
    )
    parser.add_argument('--show', action='store_true', help='open a window')
    parser.add_argument(
        '--wait-time',
        type=float,
        default=0.001,
        help='seconds that the window shows a frame, 0 until a key is pressed '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu; by default the first GPU, if any',
    )
    parser.add_argument(
        '--mode',
        choices=['video', 'clip', 'offline'],
        help='offline: with a cross-clip tracker; video: near-online, of a '
        'panoptic model with one decision at the end; clip: near-online, a '
        'panoptic model decides clip by clip (default: as configured, but '
        'clip rather than video)',
    )
    parser.add_argument(
        '--feature-cache',
        choices=['device', 'cpu', 'cpu_fp16', 'none'],
        help='where mode offline keeps pixel embeddings until the end of the '
        'video; none makes them a second time instead, in flat memory',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        help='least score to be drawn and to be in the PNG, of instances '
        f'(default: {DEFAULT_SCORE_THR:g})',
    )
    parser.add_argument(
        '--fps',
        type=float,
        help='frames a second of OUT; by default those of the input, or '
        f'{DEFAULT_FPS:g} where it does not say',
    )
    parser.add_argument(
        '--max-frames', type=int, help='stop after so many frames'
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    if not (args.out or args.out_json or args.out_png or args.show):
        parser.error(
            'nothing to do: give --out, --out-json, --out-png or --show'
        )
    if args.max_frames is not None and args.max_frames < 1:
        parser.error('--max-frames must be at least 1')
    if args.fps is not None and not args.fps > 0:
        parser.error('--fps must be above 0')
    if (
        args.out
        and osp.exists(args.out)
        and osp.exists(args.input)
        and osp.samefile(args.input, args.out)
    ):
        parser.error(f'--out would overwrite the input {args.input}')
    if (
        args.show
        and sys.platform == 'linux'
        and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
        )
    ):
        parser.error('--show needs a display and there is none: use --out')
    return args


class StopOnInterrupt:
    """Lets Ctrl-C end the video after a frame, so that all outputs end at the
    same one. The second Ctrl-C ends it at once, and so does the first while
    all of the video is read for the first result."""

    def __init__(self, at_end: bool) -> None:
        self.requested = False
        self.reading = at_end

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


class Outputs:
    """Everything that is to be written or shown of a video."""

    def __init__(
        self,
        args: argparse.Namespace,
        source: FrameSource,
        inferencer: MaXTronInferencer,
    ) -> None:
        self.args = args
        self.source = source
        self.inferencer = inferencer
        self.score_thr = (
            DEFAULT_SCORE_THR if args.score_thr is None else args.score_thr
        )
        self.num_frames = 0
        self.video = None
        for path in filter(None, (args.out, args.out_json)):
            os.makedirs(osp.dirname(osp.abspath(path)), exist_ok=True)
        with ExitStack() as stack:
            if args.out:
                fps = args.fps or source.fps or DEFAULT_FPS
                self.video = stack.enter_context(
                    VideoWriter(args.out, fps, source.size)
                )
            self.results = stack.enter_context(
                open_results(
                    inferencer,
                    source,
                    args.out_png,
                    args.out_json,
                    self.score_thr,
                )
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> 'Outputs':
        return self

    def write(self, frame, sample) -> bool:
        """Write a frame; False if the user closed the window."""
        self.results.write(sample, self.source.frame_name(self.num_frames))
        go_on = True
        if self.video or self.args.show:
            drawn = self.inferencer.draw(frame, sample, self.score_thr)
            if self.video:
                self.video.write(drawn)
            if self.args.show:
                go_on = show(drawn, self.args.wait_time)
        self.num_frames += 1
        return go_on

    def __exit__(self, *exc) -> None:
        self._stack.__exit__(*exc)

    def paths(self) -> list[str]:
        outs = (self.args.out, self.args.out_json, self.args.out_png)
        return [osp.abspath(out) for out in outs if out]


def show(frame, wait_time: float) -> bool:
    """Show a frame; False if the user pressed q or Esc."""
    cv2.imshow(WINDOW, frame)
    delay = max(1, round(wait_time * 1000)) if wait_time > 0 else 0
    return cv2.waitKey(delay) & 0xFF not in (ord('q'), 27)


class SpeedColumn(ProgressColumn):
    """Frames a second since the start, for results come in clips."""

    def render(self, task: Task) -> Text:
        if not task.completed or not task.elapsed:
            return Text('')
        return Text(f'{task.completed / task.elapsed:.1f} frames/s')


class Bars:
    """Progress: of the results, and before of reading all of the video."""

    def __init__(
        self,
        source: FrameSource,
        inferencer: MaXTronInferencer,
        max_frames: int | None,
    ) -> None:
        total = source.num_frames
        if max_frames is not None:
            total = min(total or max_frames, max_frames)
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            SpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._reading = None
        name = source.name
        if inferencer.at_end:
            passes = inferencer.num_passes
            self._reading = self._progress.add_task(
                f'{name}: reading' + (' twice' if passes > 1 else ''),
                total=total and total * passes,
            )
            name = f'{name}: results'
        self._results = self._progress.add_task(
            name, total=total, start=not inferencer.at_end
        )

    def __enter__(self) -> 'Bars':
        self._progress.start()
        return self

    def __exit__(self, *exc) -> None:
        self._progress.stop()

    def read(self) -> None:
        """A frame was read."""
        if self._reading is not None:
            self._progress.advance(self._reading)

    def result(self) -> None:
        """A frame is done."""
        self._progress.start_task(self._results)
        self._progress.advance(self._results)


def process(
    args: argparse.Namespace,
    source: FrameSource,
    inferencer: MaXTronInferencer,
    outputs: Outputs,
) -> None:
    """Run the video through the model to the outputs."""
    bars = Bars(source, inferencer, args.max_frames)
    results = inferencer.stream(source, args.max_frames, bars.read)
    stop = StopOnInterrupt(inferencer.at_end)
    with stop, closing(results), bars:
        for frame, sample in results:
            stop.reading = False
            go_on = outputs.write(frame, sample)
            bars.result()
            if not go_on or stop.requested:
                break


def peak_memory() -> str:
    """Peak memory of this process, and on the GPU where there is one."""
    if sys.platform == 'win32':
        return 'unknown'
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == 'darwin' else 2**10
    text = f'{peak / unit:.0f} MiB'
    if torch.cuda.is_available():
        gpu = torch.cuda.max_memory_allocated() / 2**20
        text += f', on the GPU {gpu:.0f} MiB'
    return text


def build(args: argparse.Namespace) -> MaXTronInferencer:
    """Build the model, or say why the config does not allow it."""
    try:
        return MaXTronInferencer(
            args.config,
            args.checkpoint,
            args.device,
            args.cfg_options,
            args.mode,
            args.feature_cache,
        )
    except (TypeError, KeyError, ImportError) as error:
        # str() of a KeyError would quote the text
        text = error.args[0] if error.args else error
        sys.exit(
            f'error: {args.config} cannot be built: '
            f'{type(error).__name__}: {text}'
        )


def main() -> None:
    args = parse_args()
    try:
        source = open_frame_source(args.input)
        inferencer = build(args)
        inferencer.check_source(source, args.max_frames)
        outputs = Outputs(args, source, inferencer)
        if inferencer.is_panoptic and args.score_thr is not None:
            print(PANOPTIC_SCORE_THR, file=sys.stderr)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    start = time.perf_counter()
    try:
        with outputs:
            process(args, source, inferencer, outputs)
    except VideoError as error:
        sys.exit(
            f'error: {error}\nThe {outputs.num_frames} frames before '
            'are kept in the outputs with .part in their names.'
        )
    except KeyboardInterrupt:
        print('Interrupted.')
    seconds = time.perf_counter() - start
    for path in outputs.paths():
        print(f'Wrote {path}')
    print(
        f'{outputs.num_frames} frames of {source.size[1]}x{source.size[0]} '
        f'in {seconds:.1f} s ({outputs.num_frames / seconds:.2f} frames/s), '
        f'{outputs.results.tracks}, peak memory {peak_memory()}'
    )


if __name__ == '__main__':
    main()
