# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Track and segment the instances, or things and stuff, of a video.

    python demo/video_demo.py INPUT MODEL --out OUT.mp4
    python demo/video_demo.py INPUT CONFIG --checkpoint CKPT --out OUT.mp4

INPUT is a video file, a folder of frames, or the number of a camera. MODEL is
the name of released weights, which are downloaded once
(tools/misc/download_weights.py --list prints the names). CONFIG belongs to an
instance or a panoptic model. The video is read, processed and
written clip by clip, in memory that does not grow with its length. Ctrl-C ends
the run and keeps the results so far. Modes that read the whole video first
(--mode offline, --segment-decision per_video) produce results afterwards;
--feature-cache none then keeps the memory constant.
"""

import argparse
import os
import os.path as osp
import signal
import sys
import time
import warnings
from contextlib import ExitStack, closing

from projects.maxtron.apis import (
    FrameSource,
    MaXTronInferencer,
    VideoError,
    VideoProgress,
    VideoWriter,
    check_panoptic_outputs,
    check_video_path,
    find_model,
    is_panoptic_config,
    open_frame_source,
    open_results,
)
from projects.maxtron.engine import add_inference_options, chosen_options
from projects.maxtron.engine.cli import (
    add_cfg_options,
    peak_memory,
    report_errors,
)
from projects.maxtron.errors import InputError
from projects.maxtron.pipeline import map_ahead
from projects.maxtron.utils import make_parent, part_path

import cv2

DEFAULT_FPS = 10.0
DEFAULT_SCORE_THR = 0.3
DRAWING_THREADS = 4
PANOPTIC_SCORE_THR = (
    'note: --score-thr has no effect on a panoptic model, which gives every '
    'pixel to at most one segment. What becomes a segment is decided by '
    'pixel_thr, thing_thr, stuff_thr and overlap_thr of model.head.test_cfg, '
    'which --cfg-options can set.'
)
WINDOW = 'MaXTron (q or Esc to stop)'


def make_parser() -> argparse.ArgumentParser:
    """Make the parser with the arguments for input, model and outputs."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'input', help='video file, folder of frames, or camera number'
    )
    parser.add_argument(
        'config',
        metavar='model',
        help='name of a released model, or config file',
    )
    parser.add_argument(
        '--checkpoint',
        help='file, URL or name of the weights (default: those of the '
        'released model)',
    )
    parser.add_argument(
        '--out',
        help='drawn video to write (.mp4, .m4v, .mov, .mkv or .webm), with '
        'the time stamps of the input',
    )
    parser.add_argument(
        '--out-json',
        help='masks to write, as a YouTube-VIS submission; for a panoptic '
        'model the segments of --out-png, as pred.json of a VIPSeg submission',
    )
    parser.add_argument(
        '--out-png',
        help='folder for masks, one PNG of instance ids per frame; for a '
        'panoptic model one of segment ids R + 256 G + 65536 B, and their '
        'table segments.json',
    )
    parser.add_argument('--show', action='store_true', help='open a window')
    add_model_arguments(parser)
    add_drawing_arguments(parser)
    add_cfg_options(parser)
    return parser


def add_drawing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the drawn video."""
    parser.add_argument(
        '--wait-time',
        type=float,
        default=0.001,
        help='seconds that the window shows a frame, 0 until a key is pressed '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        help='minimum score of the instances in the drawn video and the PNG '
        f'files (default: {DEFAULT_SCORE_THR:g})',
    )
    parser.add_argument(
        '--fps',
        type=float,
        help='constant frames per second of OUT; by default the time stamps '
        f'of the input, or {DEFAULT_FPS:g} frames per second if it has none',
    )
    parser.add_argument(
        '--max-frames', type=int, help='stop after this number of frames'
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the model."""
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu (default: the first GPU, if any)',
    )
    parser.add_argument(
        '--mode',
        choices=['near_online', 'offline', 'video', 'clip'],
        help='near_online: results come while the video is read; offline: a '
        'cross-clip tracker sees the whole video first (default: as '
        'configured; clip and video are old names of near_online with '
        '--segment-decision per_clip and per_video)',
    )
    parser.add_argument(
        '--segment-decision',
        choices=['per_clip', 'per_video'],
        help='near_online, panoptic models: decide on the segments of each '
        'clip, or of the whole video at its end (default: per_clip)',
    )
    parser.add_argument(
        '--feature-cache',
        choices=['device', 'cpu', 'cpu_fp16', 'disk', 'none'],
        help='place of the pixel embeddings in mode offline until the end of '
        'the video; disk is a temporary file, and none computes them a second '
        'time instead, in flat memory',
    )
    add_inference_options(parser)
    parser.add_argument(
        '--onnx',
        metavar='FILE',
        help='run the network of this file of export_onnx.py instead',
    )
    parser.add_argument(
        '--provider',
        choices=['cpu', 'cuda', 'tensorrt'],
        help='provider of ONNX Runtime (default: that of the device)',
    )


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = make_parser()
    args = parser.parse_args()
    if not (args.out or args.out_json or args.out_png or args.show):
        parser.error(
            'nothing to do: give --out, --out-json, --out-png or --show'
        )
    if args.max_frames is not None and args.max_frames < 1:
        parser.error('--max-frames must be at least 1')
    if args.fps is not None and not 0.01 <= args.fps <= 1000:
        parser.error('--fps must be from 0.01 to 1000')
    try:
        check_paths(args)
    except InputError as error:
        parser.error(str(error))
    if (
        args.show
        and sys.platform == 'linux'
        and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
        )
    ):
        parser.error('--show needs a display and there is none: use --out')
    return args


def check_paths(args: argparse.Namespace) -> None:
    """Check that the outputs are distinct files.

    Raises:
        InputError: If an output would overwrite the input or another output,
            or its name is invalid.
    """
    if args.out:
        check_video_path(args.out)
    files = {'--out': args.out, '--out-json': args.out_json}
    for option, path in files.items():
        if path and osp.isdir(path):
            raise InputError(f'{option} {path} is a folder: name a file')
        if (
            path
            and osp.exists(path)
            and osp.exists(args.input)
            and osp.samefile(args.input, path)
        ):
            raise InputError(f'{option} would overwrite the input {path}')
    paths = [args.out, args.out_json, args.out_png]
    paths = [osp.realpath(path) for path in paths if path]
    if len(set(paths)) < len(paths):
        raise InputError('--out, --out-json and --out-png must differ')


class StopOnInterrupt:
    """Handler of Ctrl-C, which ends the video.

    The first Ctrl-C finishes the current frame, so that all outputs end at the
    same frame. The second Ctrl-C ends the program at once. If the whole video
    is read first, the first Ctrl-C before any result also ends the program at
    once.

    Args:
        results_at_end (bool): Whether the whole video is read first.
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


class Outputs:
    """Context manager of all outputs of a video."""

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
            make_parent(path)
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

    def prepare(self, result: tuple) -> tuple:
        """Draw and encode a frame; runs in several threads."""
        frame, sample = result
        drawn = None
        if self.video or self.args.show:
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
            self.video.write(drawn, None if self.args.fps else times)
        go_on = not self.args.show or show(drawn, self.args.wait_time)
        self.num_frames += 1
        return go_on

    def __exit__(self, *exc) -> None:
        self._stack.__exit__(*exc)

    def paths(self) -> list[str]:
        """List the outputs."""
        outs = (self.args.out, self.args.out_json, self.args.out_png)
        return [osp.abspath(out) for out in outs if out]

    def kept(self) -> list[str]:
        """List the incomplete files after an error."""
        outs = (self.args.out, self.args.out_json)
        parts = [osp.abspath(part_path(out)) for out in outs if out]
        return [part for part in parts if osp.exists(part)]


def show(frame, wait_time: float) -> bool:
    """Show a frame; return False if the user pressed q or Esc."""
    cv2.imshow(WINDOW, frame)
    delay = max(1, round(wait_time * 1000)) if wait_time > 0 else 0
    return cv2.waitKey(delay) & 0xFF not in (ord('q'), 27)


def process(
    args: argparse.Namespace,
    source: FrameSource,
    inferencer: MaXTronInferencer,
    outputs: Outputs,
) -> None:
    """Process the video and write the outputs."""
    bars = VideoProgress(source, inferencer, args.max_frames)
    results = inferencer.stream(source, args.max_frames, bars.read)
    frames = map_ahead(outputs.prepare, results, DRAWING_THREADS)
    stop = StopOnInterrupt(inferencer.results_at_end)
    # The outputs are completed before the clips in work are waited for.
    with closing(results), closing(frames), outputs, stop, bars:
        for frame in frames:
            stop.reading = False
            go_on = outputs.write(*frame)
            bars.result()
            if not go_on or stop.requested:
                break


def build(args: argparse.Namespace) -> MaXTronInferencer:
    """Build the model, or end with the fault of the config."""
    config, checkpoint = find_model(
        args.config, args.checkpoint, args.cfg_options
    )
    if is_panoptic_config(config):
        check_panoptic_outputs(args.out_png, args.out_json)
    try:
        return MaXTronInferencer(
            config,
            checkpoint,
            args.device,
            mode=args.mode,
            feature_cache=args.feature_cache,
            segment_decision=args.segment_decision,
            **chosen_options(args),
            onnx=args.onnx,
            provider=args.provider,
        )
    except InputError:
        raise
    except (TypeError, KeyError, ImportError) as error:
        # str() of a KeyError would add quotes.
        text = ' '.join(str(error.args[0] if error.args else '').split())
        sys.exit(
            f'error: {args.config} cannot be built: '
            f'{type(error).__name__}: {text}'
        )


@report_errors()
def main() -> None:
    args = parse_args()
    warnings.formatwarning = lambda message, *_: f'note: {message}\n'
    source = open_frame_source(args.input)
    inferencer = build(args)
    inferencer.check_source(source, args.max_frames)
    outputs = Outputs(args, source, inferencer)
    if inferencer.is_panoptic and args.score_thr is not None:
        print(PANOPTIC_SCORE_THR, file=sys.stderr)
    start = time.perf_counter()
    try:
        process(args, source, inferencer, outputs)
    except (OSError, InputError) as error:
        if kept := outputs.kept():
            raise InputError(
                f'{error}\nThe {outputs.num_frames} frames before are kept '
                f'in {" and ".join(kept)}.'
            ) from error
        raise
    except KeyboardInterrupt:
        if outputs.num_frames == 0:
            sys.exit('error: Interrupted before the first result.')
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
