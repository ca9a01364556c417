# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Measure time and peak memory of inference on a video, by part of the model.

    python tools/benchmarks/benchmark_inference.py CONFIG [CHECKPOINT]
        [--frames N ...] [--mode M ...] [--feature-cache C ...] [--json FILE]

Each combination runs in a new process. Frames are random and are generated
when they are read, and results are dropped at once, so that the memory is that
of the model. With random weights or frames, post-processing would have no
segments. Predictions are therefore overwritten by --segments segments that
move smoothly, which is not timed; --segments 0 keeps the predictions of the
model.

The output is three tables: seconds with memory, shares of the CPU seconds of
all threads, and frames per second. CPU seconds are more reliable if other
processes run. The part 'reading' is waiting for preprocessed frames.
'post-processing' is the rest of the head besides segmenter and tracker:
linking, merging, encoding. In the first two tables the parts run one after the
other.

Frames per second are those of the network only (backbone, neck, segmenter,
tracker), which most papers print; and, from a video file to results on the
host, with all parts in sequence, and end to end with overlapping stages.
"""

import argparse
import itertools
import sys
from collections.abc import Callable
from typing import NamedTuple

from projects.maxtron.allocator import keep_freed_memory
from projects.maxtron.engine import (
    add_inference_options,
    chosen_options,
    load_checkpoint_checked,
    load_config,
    optimize_inference,
)
from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.testing import frame_size

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.benchmarks.cli import make_parser, write_json
from tools.benchmarks.end_to_end import (
    RepeatedPredictions,
    measure_end_to_end,
    report_speeds,
)
from tools.benchmarks.measuring import (
    highest_memory,
    in_new_process,
    peak_memory,
)
from tools.benchmarks.part_timer import PartTimer, TimedClips
from tools.benchmarks.synthetic_predictions import SyntheticPredictions

PARTS = (
    'reading',
    'backbone',
    'neck',
    'segmenter',
    'tracker',
    'post-processing',
)
NETWORK = ('backbone', 'neck', 'segmenter', 'tracker')
MODES = ('near_online', 'offline', 'video', 'clip')
CACHES = ('device', 'cpu', 'cpu_fp16', 'disk', 'none')


class Setting(NamedTuple):
    """Settings of one measurement; None means the value of the config."""

    mode: str | None
    feature_cache: str | None
    num_frames: int


class RandomFrames:
    """A video of one random image that moves to the right.

    Args:
        num_frames (int): Length of the video.
        size (tuple[int, int]): Height and width in pixels.
    """

    def __init__(self, num_frames: int, size: tuple[int, int]) -> None:
        self.num_frames = num_frames
        self.image = torch.randint(
            0,
            256,
            (3, *size),
            dtype=torch.uint8,
            generator=torch.Generator().manual_seed(0),
        )

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, t: int) -> Tensor:
        if t >= self.num_frames:
            raise IndexError(t)
        return self.image.roll(8 * t, -1)


def instrument(model, timer: PartTimer) -> None:
    """Time the parts of a model."""
    head = model.head
    timer.wrap(model.backbone, 'forward', 'backbone')
    if model.neck is not None:
        timer.wrap(model.neck, 'forward', 'neck')
    timer.wrap(head.segmenter, 'forward', 'segmenter')
    if head.tracker is not None:
        timer.wrap(head.segmenter, 'mask_features', 'segmenter')
        timer.wrap(head.tracker, 'forward', 'tracker')
        timer.wrap(head.tracker, 'pool_over_clips', 'tracker')
        for method in ('project', 'classify', 'segment'):
            # The segmenter may also use its own.
            timer.wrap(head.query_heads, method, 'tracker', 'segmenter')
    read_clips, start_video = model.read_clips, head.start_video

    def start_timed_video(*args):
        with timer.part('post-processing'):
            video = start_video(*args)
        for method in ('update', 'refine', 'segment'):
            if hasattr(video, method):
                timer.wrap(video, method, 'post-processing')
        finish = video.finish
        video.finish = lambda: timer.steps(finish(), 'post-processing')
        return video

    model.read_clips = lambda *args: TimedClips(read_clips(*args), timer)
    head.start_video = start_timed_video


def replace_predictions(
    model, timer: PartTimer, synthetic: SyntheticPredictions
) -> None:
    """Replace the predictions of a model, without timing it."""
    head = model.head
    is_offline = head.mode == 'offline'

    def after(owner, method: str, overwrite: Callable) -> None:
        function = getattr(owner, method)

        def replaced(*args, **kwargs):
            result = function(*args, **kwargs)
            if timer.current != 'segmenter':  # The head may use its own.
                with timer.part(None):
                    overwrite(result)
            return result

        setattr(owner, method, replaced)

    after(
        head.segmenter,
        'forward',
        lambda clip: synthetic.replace_clip(clip, with_masks=not is_offline),
    )
    if is_offline:
        after(head.query_heads, 'classify', synthetic.replace_classes)
        after(head.query_heads, 'segment', synthetic.replace_masks)


def build_model(cfg: Config, args: argparse.Namespace, setting: Setting):
    """Build the model for a setting."""
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    MMLogger.get_instance('benchmark', log_level='WARNING')
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    torch.manual_seed(0)
    cfg.model.backbone.init_cfg = None  # nothing is downloaded
    for key in ('mode', 'feature_cache'):
        if getattr(setting, key) is not None:
            cfg.model.head.test_cfg[key] = getattr(setting, key)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    if args.checkpoint is None:
        model.init_weights()
    else:
        load_checkpoint_checked(model, args.checkpoint)
    model = model.to(args.device).eval()
    optimize_inference(model, **chosen_options(args))
    return model


def run_video(model, frames: RandomFrames, size: tuple[int, int]) -> int:
    """Track a video and drop the results; return its number of frames."""
    head, num_frames = model.head, len(frames)
    decision = getattr(head, 'segment_decision', None)
    stream = model.predict_stream(
        frames, size, num_frames, whole_video=decision == 'per_video'
    )
    return sum(len(clip) for clip in stream)


def measure(args: argparse.Namespace, setting: Setting) -> dict:
    """Measure one setting; must run in a new process.

    Returns:
        dict: The settings used, seconds and CPU seconds per frame of the
        parts, the peak memory in MiB, and the memory that the video added.
    """
    is_cuda = args.device.startswith('cuda')
    cfg = load_config(args.config, {})
    size = tuple(args.size or frame_size(cfg))
    model = build_model(cfg, args, setting)
    model.overlap_stages = False
    timer = PartTimer(PARTS, is_cuda)
    instrument(model, timer)
    if args.segments:
        replace_predictions(model, timer, SyntheticPredictions(args.segments))
    if is_cuda:  # The first run loads and chooses kernels.
        run_video(model, RandomFrames(2 * model.head.clip_len, size), size)
    timer.reset()
    frames = RandomFrames(setting.num_frames, size)
    counted = []
    added = peak_memory(
        lambda: counted.append(run_video(model, frames, size)), is_cuda
    )
    if counted != [setting.num_frames]:
        raise RuntimeError(
            f'The model gave {counted[0]} results for '
            f'{setting.num_frames} frames.'
        )
    is_offline = model.head.mode == 'offline'
    return dict(
        mode=setting.mode or model.head.mode,
        feature_cache=model.head.feature_cache if is_offline else None,
        frames=setting.num_frames,
        size=size,
        seconds={
            part: timer.times[part][0] / setting.num_frames for part in PARTS
        },
        cpu_seconds={
            part: timer.times[part][1] / setting.num_frames for part in PARTS
        },
        peak_mib=highest_memory(is_cuda),
        added_mib=added,
    )


def measure_speed(args: argparse.Namespace, setting: Setting) -> dict:
    """Measure frames per second of one setting; must run in a new process.

    Returns:
        dict: See :func:`measure_end_to_end`.
    """
    cfg = load_config(args.config, {})
    model = build_model(cfg, args, setting)
    if args.segments:
        synthetic = RepeatedPredictions(args.segments)
        replace_predictions(model, PartTimer(PARTS, False), synthetic)
    size = tuple(args.size or frame_size(cfg))
    return measure_end_to_end(model, setting.num_frames, size)


def settings(args: argparse.Namespace) -> list[Setting]:
    """List all combinations; only mode 'offline' has feature caches."""
    caches = args.feature_cache or [None]
    return [
        Setting(*values)
        for mode in args.mode or [None]
        for values in itertools.product(
            [mode],
            caches if mode in (None, 'offline') else [None],
            args.frames,
        )
    ]


def format_line(
    row: dict, values: dict[str, float], digits: int, more: tuple[str, ...]
) -> str:
    """Format one line of a table."""
    cells = [row['mode'], row['feature_cache'] or '-', str(row['frames'])]
    cells += [f'{values[part]:.{digits}f}' for part in PARTS]
    return '| ' + ' | '.join([*cells, *more]) + ' |'


def report(rows: list[dict]) -> str:
    """Format all tables."""
    lines = []
    first = ('Mode', 'Feature cache', 'Frames', *PARTS)
    for title, more in (
        ('Seconds a frame', ('all', 'peak MiB', 'added MiB')),
        ('Shares of the CPU seconds, in %', ('CPU s',)),
    ):
        names = (*first, *more)
        lines += [
            '',
            f'{title}:',
            '| ' + ' | '.join(names) + ' |',
            '| '
            + ' | '.join(':--' if i < 2 else '--:' for i in range(len(names)))
            + ' |',
        ]
        for row in rows:
            if more[0] == 'all':
                values, digits = row['seconds'], 3
                cells = (
                    f'{sum(values.values()):.3f}',
                    f'{row["peak_mib"]:.0f}',
                    f'{row["added_mib"]:.0f}',
                )
            else:
                total = sum(row['cpu_seconds'].values())
                values = {
                    part: 100 * value / total
                    for part, value in row['cpu_seconds'].items()
                }
                digits, cells = 1, (f'{total:.3f}',)
            lines.append(format_line(row, values, digits, cells))
    if 'speeds' in rows[0]:
        lines += report_speeds(rows)
    return '\n'.join(lines)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file')
    parser.add_argument('--frames', type=positive_int, nargs='+', default=[16])
    parser.add_argument(
        '--mode',
        nargs='+',
        choices=MODES,
        help='clip and video are near_online with the segments of a panoptic '
        'model decided per clip or per video; by default as configured',
    )
    parser.add_argument(
        '--feature-cache',
        nargs='+',
        choices=CACHES,
        help='feature caches of mode offline (default: as configured)',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='size of the frames (default: the largest size that the test '
        'pipeline does not shrink)',
    )
    parser.add_argument(
        '--segments',
        type=int,
        default=15,
        help='number of segments that overwrite the predictions',
    )
    parser.add_argument(
        '--no-speed',
        action='store_true',
        help='leave out the table of frames per second',
    )
    add_inference_options(parser)
    return parser.parse_args(args)


@report_errors()
def main(args: list[str] | None = None) -> None:
    """Run and print all measurements."""
    args = parse_args(args)
    rows = []
    for setting in settings(args):
        row = in_new_process(measure, args, setting, device=args.device)
        if not args.no_speed:
            speeds = in_new_process(
                measure_speed, args, setting, device=args.device
            )
            network = sum(row['seconds'][part] for part in NETWORK)
            row['speeds'] = dict(speeds, network_only=1 / network)
        rows.append(row)
        print(
            f'{row["mode"]}, {row["feature_cache"]}, {row["frames"]} frames:'
            f' {sum(row["seconds"].values()):.2f} s a frame, peak '
            f'{row["peak_mib"]:.0f} MiB',
            file=sys.stderr,
            flush=True,
        )
    size = 'x'.join(map(str, rows[0]['size']))
    print(
        f'{args.config}: frames of {size}, {args.device}, '
        f'{args.threads} CPU threads'
    )
    print(report(rows))
    write_json(args, rows=rows)


if __name__ == '__main__':
    main()
