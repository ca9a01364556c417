# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron predict``: track and segment one video."""

import argparse
import os
import sys
import time
import warnings

from ..apis import (
    LiveSource,
    OutputOptions,
    VideoOutputs,
    VideoProgress,
    open_frame_source,
    process_video,
)
from ..apis.frame_source.live import POLICIES
from ..apis.video_outputs import DEFAULT_FPS, DEFAULT_SCORE_THR
from ..engine.cli import peak_memory, positive_int
from ..errors import InputError
from .interrupt import StopOnInterrupt
from .model_options import (
    MODEL_HELP,
    add_model_arguments,
    build_inferencer,
    model_options,
)

DESCRIPTION = (
    'Track and segment the instances, or things and stuff, of a video.'
)
_PANOPTIC_SCORE_THR = (
    'note: --score-thr has no effect on a panoptic model, which gives every '
    'pixel to at most one segment. What becomes a segment is decided by '
    'pixel_thr, thing_thr, stuff_thr and overlap_thr of model.head.test_cfg, '
    'which --cfg-options can set.'
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser('predict', description=DESCRIPTION)
    add_input(parser)
    parser.add_argument('--model', required=True, help=MODEL_HELP)
    add_arguments(parser)


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the video."""
    parser.add_argument(
        'input',
        help='video file, folder of frames, camera number, or address of a '
        'stream (rtsp://...)',
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all arguments except those for the video and the model's name."""
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
    parser.add_argument(
        '--wait-time',
        type=float,
        default=0.001,
        help='seconds that the window shows a frame, 0 until a key is pressed '
        '(default: %(default)s)',
    )
    add_drawing_arguments(parser)
    add_live_arguments(parser)
    add_model_arguments(parser)
    parser.set_defaults(error=parser.error)


def add_drawing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of drawn videos and of their length."""
    parser.add_argument(
        '--score-thr',
        type=float,
        help='minimum score of the instances in the drawn video and the PNG '
        f'files (default: {DEFAULT_SCORE_THR:g})',
    )
    parser.add_argument(
        '--fps',
        type=_rate,
        help='constant frames per second of the drawn video; by default the '
        f'time stamps of the input, or {DEFAULT_FPS:g} frames per second if '
        'it has none',
    )
    parser.add_argument(
        '--max-frames',
        type=positive_int,
        help='stop after this number of frames',
    )


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a camera that is faster than the model."""
    group = parser.add_argument_group(
        'live use', 'For a camera or stream that is faster than the model.'
    )
    group.add_argument(
        '--live',
        action='store_true',
        help='drop frames to keep up with the camera, and state the latency',
    )
    group.add_argument(
        '--live-policy',
        choices=POLICIES,
        default=POLICIES[0],
        help='latest_clip: each clip consists of the latest frames; '
        'drop_oldest: frames wait in a queue, whose oldest frame is dropped '
        'when it is full (default: %(default)s)',
    )
    group.add_argument(
        '--live-queue',
        type=positive_int,
        default=30,
        help='frames that may wait with drop_oldest (default: %(default)s)',
    )


def _rate(text: str) -> float:
    """Parse a frame rate."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 1000:
        raise argparse.ArgumentTypeError('must be from 0.01 to 1000')
    return rate


def output_options(args: argparse.Namespace) -> OutputOptions:
    """Read and check the outputs of the command line.

    Args:
        args (Namespace): Parsed arguments. A fault ends the program with the
            usage and one line.
    """
    if not (args.out or args.out_json or args.out_png or args.show):
        args.error(
            'nothing to do: give --out, --out-json, --out-png or --show'
        )
    options = OutputOptions(
        args.out,
        args.out_json,
        args.out_png,
        args.score_thr,
        args.fps,
        args.show,
        args.wait_time,
    )
    try:
        options.check(args.input)
    except InputError as error:
        args.error(str(error))
    has_display = os.environ.get('DISPLAY') or os.environ.get(
        'WAYLAND_DISPLAY'
    )
    if args.show and sys.platform == 'linux' and not has_display:
        args.error('--show needs a display and there is none: use --out')
    return options


def run(args: argparse.Namespace) -> None:
    """Process the video and write the outputs.

    Args:
        args (Namespace): Parsed arguments.

    Raises:
        InputError: If the video, the model or an output cannot be used.
    """
    options = output_options(args)
    warnings.formatwarning = lambda message, *_: f'note: {message}\n'
    source = open_frame_source(args.input)
    inferencer = build_inferencer(**model_options(args), outputs=options)
    if args.live:
        head = inferencer.model.head
        source = LiveSource(
            source,
            head.clip_len,
            head.overlap,
            args.live_policy,
            args.live_queue,
        )
    inferencer.check_source(source, args.max_frames)
    outputs = VideoOutputs(options, source, inferencer)
    if inferencer.is_panoptic and args.score_thr is not None:
        print(_PANOPTIC_SCORE_THR, file=sys.stderr)
    start = time.perf_counter()
    try:
        process(outputs, args.max_frames)
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
    print_summary(outputs, time.perf_counter() - start)


def process(outputs: VideoOutputs, max_frames: int | None = None) -> None:
    """Process the video until its end or Ctrl-C, with progress bars."""
    source, inferencer = outputs.source, outputs.inferencer
    bars = VideoProgress(source, inferencer, max_frames)
    stop = StopOnInterrupt(inferencer.results_at_end)

    def on_result() -> bool:
        stop.reading = False
        if isinstance(source, LiveSource):
            source.note_result(outputs.num_frames - 1)
        bars.result()
        return not stop.requested

    with stop, bars:
        process_video(outputs, max_frames, bars.read, on_result)


def print_summary(outputs: VideoOutputs, seconds: float) -> None:
    """Print the outputs, the speed and the peak memory."""
    for path in outputs.options.paths:
        print(f'Wrote {path}')
    height, width = outputs.source.size
    print(
        f'{outputs.num_frames} frames of {width}x{height} '
        f'in {seconds:.1f} s ({outputs.num_frames / seconds:.2f} frames/s), '
        f'{outputs.results.tracks}, peak memory {peak_memory()}'
    )
    if isinstance(outputs.source, LiveSource):
        print(outputs.source.summary())
