# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Export a model to ONNX and compare ONNX Runtime with PyTorch.

    python tools/deployment/export_onnx.py CONFIG CKPT --out FILE.onnx
        [--size H W] [--frames T] [--half] [--tracker] [--input VIDEO]
        [--threads N ...]

FILE.onnx segments one clip of T frames. With --tracker, FILE.tracker.onnx is
the cross-clip tracker with its heads, for any number of clips. Post-processing
and the linking of clips stay in Python: MaXTronInferencer(CONFIG, CKPT,
onnx='FILE.onnx') and demo/video_demo.py --onnx FILE.onnx run both.

Some runtimes compute operators such as GridSample wrongly without a message.
Therefore the tool runs each file on real frames, prints the differences from
PyTorch and fails if one is above --bound. A file that fails is not written.

The difference of an output is the norm of the error relative to the norm of
the output. The largest error, relative to the largest value, is printed too,
but has no bound: the masks of Mask2Former's cross-attention are thresholds of
logits, so that one pixel whose logit is almost zero changes a query by more
than rounding.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice

from projects.maxtron.apis import open_frame_source
from projects.maxtron.apis.building import build_model
from projects.maxtron.datasets.synthetic.video import PRESETS, make_video
from projects.maxtron.deployment import (
    ClipGraph,
    OnnxSession,
    TrackerGraph,
    export_onnx,
    tracker_path,
)
from projects.maxtron.engine import check_sections
from projects.maxtron.engine.cli import (
    make_parser,
    positive_int,
    read_config,
    report_errors,
)
from projects.maxtron.errors import InputError
from projects.maxtron.models import MaXTron
from projects.maxtron.testing import frame_size
from projects.maxtron.utils import atomic_path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from terminaltables import AsciiTable
from torch import Tensor

# By --half. Rounding differs by 1e-6 in float32; a wrong operator, by more.
BOUNDS = {False: 1e-5, True: 5e-2}
# Number of clips of the video that the tracker is compared on.
NUM_CLIPS = 3
# Calls of a measurement; it ends after the first one that is past the seconds.
REPEATS, SECONDS = 3, 20


def parse_args(argv: list[str] | None) -> tuple:
    """Make the parser and parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument(
        'checkpoint', help='file, URL or name of released weights'
    )
    parser.add_argument(
        '--out', required=True, help='file to write, FILE.onnx'
    )
    parser.add_argument(
        '--size',
        type=positive_int,
        nargs=2,
        metavar=('H', 'W'),
        help='height and width of the preprocessed frames (default: the '
        'canvas, or the largest frames of the test pipeline)',
    )
    parser.add_argument(
        '--frames',
        type=positive_int,
        metavar='T',
        help='frames of a clip (default: as in testing)',
    )
    parser.add_argument(
        '--half',
        action='store_true',
        help='convert weights and most operators to float16',
    )
    parser.add_argument(
        '--tracker',
        action='store_true',
        help='also export the cross-clip tracker of an offline model',
    )
    parser.add_argument(
        '--input',
        help='video or folder of frames to compare on (default: a synthetic '
        'video)',
    )
    parser.add_argument(
        '--threads',
        type=positive_int,
        nargs='+',
        default=[torch.get_num_threads()],
        help='measure both runtimes with these numbers of threads',
    )
    parser.add_argument(
        '--bound',
        type=float,
        help='largest norm of a difference, relative to that of the output '
        f'(default: {BOUNDS[False]:g}, with --half {BOUNDS[True]:g})',
    )
    args = parser.parse_args(argv)
    if not args.out.endswith('.onnx'):
        parser.error(f'--out must end in .onnx, not "{args.out}"')
    if args.bound is None:
        args.bound = BOUNDS[args.half]
    return parser, args


def adapt_config(cfg: Config, args: argparse.Namespace) -> tuple[int, int]:
    """Set the size and the length of the clips; return the size."""
    if args.frames:
        cfg.model.head.test_cfg.clip_len = args.frames
    if 'input_size' in cfg.model.data_preprocessor and args.size:
        cfg.model.data_preprocessor.input_size = tuple(args.size)
    return tuple(args.size or frame_size(cfg))


def read_frames(path: str | None, num_frames: int) -> list[np.ndarray]:
    """Read the first frames of a video, repeated if it is too short."""
    if path is None:
        frames = make_video(PRESETS['demo'], 'demo', 0, num_frames=12).frames
    else:
        frames = open_frame_source(path)
    return list(islice(cycle(islice(frames, num_frames)), num_frames))


def preprocess(
    model: MaXTron, frames: Sequence[np.ndarray], size: tuple[int, int]
) -> Tensor:
    """Resize and preprocess the frames of a clip.

    Args:
        model (MaXTron): The model.
        frames (Sequence[np.ndarray]): T frames (h, w, 3), BGR.
        size (tuple[int, int]): Height H and width W.

    Returns:
        Tensor: Shape (1, T, 3, H, W); padded sizes may be larger.
    """
    resized = [cv2.resize(frame, size[::-1]) for frame in frames]
    return model.data_preprocessor.preprocess_clip(
        [torch.from_numpy(frame.transpose(2, 0, 1)) for frame in resized]
    )


def compare(
    graph: ClipGraph | TrackerGraph, session: OnnxSession, inputs: Tensor
) -> list[tuple[str, tuple[int, ...], float, float]]:
    """Compare the outputs of ONNX Runtime with those of PyTorch.

    Returns:
        list[tuple]: Name and shape of each output, the norm of its error
        relative to its norm, and its largest error relative to its largest
        absolute value.
    """
    rows = []
    outputs = session(inputs)
    for name, actual, expected in zip(
        graph.output_names, outputs, graph(inputs), strict=True
    ):
        error = actual - expected
        norm = error.norm() / expected.norm()
        largest = error.abs().max() / expected.abs().max()
        shape = tuple(expected.shape)
        rows.append((name, shape, norm.item(), largest.item()))
    return rows


def median_seconds(function: Callable, *args) -> tuple[float, float]:
    """Measure the median seconds and CPU seconds (all threads) of a call."""
    times: list[tuple[float, float]] = []
    while len(times) < REPEATS and sum(t for t, _ in times) < SECONDS:
        start = time.perf_counter(), time.process_time()
        function(*args)
        times.append(
            (time.perf_counter() - start[0], time.process_time() - start[1])
        )
    return tuple(map(statistics.median, zip(*times)))


def print_times(
    graph: ClipGraph | TrackerGraph,
    inputs: Tensor,
    path: str | os.PathLike,
    thread_counts: Sequence[int],
) -> None:
    """Measure PyTorch and ONNX Runtime; print a table."""
    rows = []
    before = torch.get_num_threads()
    for count in thread_counts:
        torch.set_num_threads(count)
        session = OnnxSession(path)
        for name, function in (('PyTorch', graph), ('ONNX Runtime', session)):
            times = [f'{x:.3g}' for x in median_seconds(function, inputs)]
            rows.append((name, count, *times))
    torch.set_num_threads(before)
    head = ('Runtime', 'Threads', 'Seconds', 'CPU seconds')
    print(AsciiTable([head, *rows]).table)


@torch.no_grad()
def export_checked(
    graph: ClipGraph | TrackerGraph,
    inputs: Tensor,
    path: str,
    args: argparse.Namespace,
    **metadata,
) -> None:
    """Export a network, compare it, print the result and name the file.

    Raises:
        InputError: If a difference is above the bound.
    """
    with atomic_path(path) as part:
        export_onnx(
            graph, inputs, path=part, half=args.half, metadata=metadata
        )
        session = OnnxSession(part)
        rows = compare(graph, session, inputs)
        cells = [
            (name, 'x'.join(map(str, shape)), f'{norm:.1e}', f'{largest:.1e}')
            for name, shape, norm, largest in rows
        ]
        head = ('Output', 'Shape', 'Difference', 'Largest')
        table = AsciiTable([head, *cells])
        print(f'{path}\n{table.table}')
        wrong = [row[0] for row in rows if not row[2] <= args.bound]
        if wrong:
            raise InputError(
                f'ONNX Runtime does not compute {", ".join(wrong)} like '
                f'PyTorch: a difference above is larger than {args.bound:g}. '
                f'{path} is not written. Use another version of onnxruntime, '
                'or set --bound.'
            )
        print_times(graph, inputs, part, args.threads)


def export_model(
    model: MaXTron, size: tuple[int, int], args: argparse.Namespace
) -> None:
    """Export the networks of a model and compare them.

    Raises:
        InputError: If the size does not suit the model, or a file is wrong.
    """
    num_frames = model.head.clip_len
    frames = read_frames(args.input, NUM_CLIPS * num_frames)
    clips = [
        preprocess(model, frames[start : start + num_frames], size)
        for start in range(0, len(frames), num_frames)
    ]
    height, width = clips[0].shape[-2:]
    if args.size and (height, width) != size:
        raise InputError(
            f'--size {size[0]} {size[1]}: this model pads its frames to '
            f'{height} x {width}. Give --size {height} {width}.'
        )
    export_checked(
        ClipGraph(model),
        clips[0],
        args.out,
        args,
        height=height,
        width=width,
        frames=num_frames,
    )
    if args.tracker:
        queries = [model.forward_clips(clip).queries for clip in clips]
        export_checked(
            TrackerGraph(model.head),
            torch.cat(queries),
            str(tracker_path(args.out)),
            args,
        )


@report_errors()
@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser, args = parse_args(argv)
    cfg = read_config(parser, args)
    check_sections(
        cfg,
        dict(model='type', test_dataloader='dataset'),
        'give a whole config of a MaXTron.',
    )
    size = adapt_config(cfg, args)
    model = build_model(cfg, args.checkpoint, 'cpu')
    if args.tracker and model.head.tracker is None:
        parser.error(f'--tracker: the model of {args.config} has no tracker.')
    export_model(model, size, args)


if __name__ == '__main__':
    main()
