# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Make the synthetic benchmark (see docs/synthetic.md).

    python tools/dataset_converters/make_synthetic.py data/synthetic

A run that was interrupted continues where it stopped. Complete splits are
skipped. `--video-out clip.mp4` makes one held-out video, which is in no split,
instead of a set.
"""

import argparse
import os
from dataclasses import replace

from projects.maxtron.apis import VideoWriter, check_video_path
from projects.maxtron.datasets.synthetic.classes import (
    SYNTHETIC_STUFF_CLASSES,
    SYNTHETIC_THING_CLASSES,
)
from projects.maxtron.datasets.synthetic.video import (
    PRESETS,
    SCENARIOS,
    make_video,
)
from projects.maxtron.datasets.synthetic.writer import (
    FORMATS,
    SyntheticWriter,
    write_video,
)
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.utils import make_parent
from projects.maxtron.visualization.mask_drawing import draw_masks, id_colors

import numpy as np
from mmengine.utils import track_parallel_progress, track_progress


def make_parser():
    parser = argparse.ArgumentParser(
        description='Make the synthetic video benchmark.'
    )
    parser.add_argument(
        'out_dir', nargs='?', help='folder of the set, e.g. data/synthetic'
    )
    parser.add_argument(
        '--size',
        choices=sorted(PRESETS),
        default='small',
        help='small: made in seconds, for tests; demo: training set of the '
        'shipped checkpoint; association: easy to segment but full of twins, '
        'to compare trackers; bench: the same with ten times more videos to '
        'train on, made in minutes; standard: made in minutes, larger frames '
        '(default: small)',
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=('train', 'val', 'dev'),
        help='default: all of --size; association and bench also have dev, '
        'to choose settings on',
    )
    parser.add_argument(
        '--formats', nargs='+', choices=FORMATS, default=list(FORMATS)
    )
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--overwrite', action='store_true')
    own = parser.add_argument_group('values instead of those of --size')
    own.add_argument('--height', type=int, help='height of the frames')
    own.add_argument('--width', type=int, help='width of the frames')
    own.add_argument(
        '--frames',
        type=int,
        nargs=2,
        metavar=('MIN', 'MAX'),
        help='shortest and longest video',
    )
    own.add_argument('--num-train', type=int, help='number of train videos')
    own.add_argument('--num-val', type=int, help='number of val videos')
    own.add_argument('--num-dev', type=int, help='number of dev videos')
    own.add_argument('--jpeg-quality', type=int, default=92)
    video = parser.add_argument_group('one held-out video')
    video.add_argument(
        '--video-out', help='path of an .mp4 file (or .mov, .mkv, .webm)'
    )
    video.add_argument(
        '--truth-out', help='path of a video with its true segments'
    )
    video.add_argument(
        '--video-scenario', choices=SCENARIOS, default='crossing'
    )
    video.add_argument('--video-frames', type=int, default=72)
    video.add_argument('--video-fps', type=float, default=12.0)
    return parser


def parse_args(argv=None):
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.out_dir is None and args.video_out is None:
        parser.error('name an OUT_DIR for a set, or --video-out for a video')
    for name in ('video_out', 'truth_out'):
        path = getattr(args, name)
        if path is not None:
            try:
                check_video_path(path)
            except ValueError as error:
                parser.error(f'--{name.replace("_", "-")} {error}')
    if args.truth_out is not None and args.video_out is None:
        parser.error('--truth-out needs --video-out')
    if not 0.01 <= args.video_fps <= 1000:
        parser.error(
            f'--video-fps must be from 0.01 to 1000, got {args.video_fps}'
        )
    if args.nproc < 1:
        parser.error(f'--nproc must be 1 or more, got {args.nproc}')
    splits = PRESETS[args.size].num_videos
    args.splits = args.splits or list(splits)
    missing = set(args.splits) - set(splits)
    if missing:
        parser.error(
            f'--size {args.size} has no split {sorted(missing)}, only '
            f'{", ".join(splits)}'
        )
    return args


def spec_from_args(args):
    """Take the chosen preset, with the values of the command line."""
    preset = PRESETS[args.size]
    num_videos, num_frames = dict(preset.num_videos), dict(preset.num_frames)
    for split in num_videos:
        count = getattr(args, f'num_{split}')
        num_videos[split] = num_videos[split] if count is None else count
        num_frames[split] = tuple(args.frames or num_frames[split])
    return replace(
        preset,
        height=preset.height if args.height is None else args.height,
        width=preset.width if args.width is None else args.width,
        num_videos=num_videos,
        num_frames=num_frames,
        seed=args.seed,
    )


def make_set(args, spec):
    """Make the missing splits of a set."""
    writer = SyntheticWriter(
        args.out_dir, spec, args.formats, args.jpeg_quality, args.overwrite
    )
    for split in args.splits:
        formats = writer.begin(split)
        if not formats:
            print(
                f'{split}: complete, left alone (--overwrite makes it again)'
            )
            continue
        print(f'{split}: {", ".join(formats)} -> {writer.out_dir}')
        jobs = writer.jobs(split, formats)
        if args.nproc == 1:
            records = track_progress(write_video, jobs)
        else:
            records = track_parallel_progress(write_video, jobs, args.nproc)
        print()
        writer.finish(split, formats, records)


def write_frames(path, frames, fps):
    """Write BGR frames (T, H, W, 3) to a video file."""
    make_parent(path)
    with VideoWriter(path, fps, frames.shape[1:3]) as writer:
        for frame in frames:
            writer.write(frame)


def draw_truth(video):
    """Draw the true segments of a video, frames (T, H, W, 3), BGR."""
    drawn = []
    for frame, ids in zip(video.frames, video.ids, strict=True):
        # things come first: the first mask is on top
        raw_ids = np.unique(ids[ids > 0])[::-1]
        drawn.append(
            draw_masks(
                frame,
                [ids == raw_id for raw_id in raw_ids],
                id_colors(raw_ids),
                [name_segment(int(raw_id)) for raw_id in raw_ids],
            )
        )
    return np.stack(drawn)


def name_segment(raw_id):
    """Name the class of a raw value, and the number of a thing."""
    label, number = divmod(raw_id, 100) if raw_id > 99 else (raw_id, 0)
    names = (*SYNTHETIC_STUFF_CLASSES, *SYNTHETIC_THING_CLASSES)
    name = names[label - 1]
    return f'{name} {number}' if label != raw_id else name


@report_errors('make_synthetic', RuntimeError, ValueError)
def main(argv=None):
    args = parse_args(argv)
    spec = spec_from_args(args)
    if args.video_out is not None:
        video = make_video(
            spec, 'demo', 0, args.video_scenario, args.video_frames
        )
        write_frames(args.video_out, video.frames, args.video_fps)
        print(f'{len(video.frames)} frames -> {args.video_out}')
        if args.truth_out is not None:
            write_frames(args.truth_out, draw_truth(video), args.video_fps)
            print(f'True segments -> {args.truth_out}')
    if args.out_dir is not None:
        make_set(args, spec)


if __name__ == '__main__':
    main()
