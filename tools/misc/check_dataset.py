# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check a prepared dataset: files, sizes, ids, categories and masks.

    python tools/misc/check_dataset.py configs/_base_/datasets/ovis.py

The tool reads the annotation files like training and testing, looks for all
files, and decodes some frames (--full: all). It prints a table for each split
and the first errors. The exit status is 1 if there are errors.
"""

import argparse
import os
import sys
from collections import Counter

from projects.maxtron.engine.cli import (
    DATASET_CONFIG_HELP,
    SPLITS,
    build_dataset,
    find_datasets,
    make_parser,
    read_config,
    report_errors,
)

import cv2
import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.utils import track_parallel_progress, track_progress
from terminaltables import AsciiTable

from tools.misc.coco_checks import CocoFileChecker
from tools.misc.dataset_checks import (
    Report,
    VideoChecker,
    find_repeated_frames,
    load_videos,
)

# minimum number of videos per job, as images are small
_NUM_FRAMES = 64


def build_unread(cfg: ConfigDict) -> BaseDataset:
    """Build a dataset without reading its annotations."""
    cfg = dict(cfg, pipeline=[], lazy_init=True)
    if cfg.get('type') == 'CocoPanopticDataset':
        # MMDetection's dataset skips segments that the map may contain.
        cfg['type'] = 'CocoPanopticClipDataset'
    return build_dataset(cfg)


def make_jobs(videos: list[dict], num_decoded: int) -> list[list[dict]]:
    """Choose the frames to decode, and group the videos.

    Args:
        videos (list[dict]): All videos.
        num_decoded (int): Number of frames to decode, spread over all.

    Returns:
        list[list[dict]]: Groups of videos.
    """
    frames = [frame for video in videos for frame in video['images']]
    chosen = set(
        np.linspace(
            0, len(frames) - 1, min(num_decoded, len(frames)), dtype=int
        ).tolist()
    )
    for index, frame in enumerate(frames):
        frame['decode'] = index in chosen
    jobs, size = [[]], 0
    for video in videos:
        if size >= _NUM_FRAMES:
            jobs.append([])
            size = 0
        jobs[-1].append(video)
        size += len(video['images'])
    return jobs


def check(dataset: BaseDataset, args: argparse.Namespace) -> Report:
    """Check a dataset.

    Args:
        dataset (BaseDataset): Dataset that is not initialised.
        args (Namespace): ``full``, ``sample`` and ``nproc``.

    Returns:
        Report: The results, without counts if the annotation file cannot be
        used.
    """
    report = Report()
    try:
        if isinstance(dataset, CocoDataset):
            checker = CocoFileChecker(dataset)
            report.problems += checker()
            if report.problems:
                return report
            counted = checker
        else:
            counted = dataset
        videos = load_videos(dataset)
    except (KeyError, OSError, TypeError, ValueError) as error:
        report.problems.append(_explain(error, dataset.ann_file))
        return report
    report.num_annotations = getattr(counted, 'num_annotations', None)
    report.left_out += getattr(counted, 'left_out', Counter())
    report.problems += find_repeated_frames(dataset, videos)
    num_frames = sum(len(video['images']) for video in videos)
    jobs = make_jobs(videos, num_frames if args.full else args.sample)
    checker = VideoChecker(
        dataset.ann_file, dataset.metainfo['classes'], dataset.backend_args
    )
    if args.nproc == 1:
        reports = track_progress(checker, jobs)
    else:
        reports = track_parallel_progress(
            checker, jobs, args.nproc, cv2.setNumThreads, (0,)
        )
    print()
    for other in reports:
        report.add(other)
    return report


def _explain(error: Exception, ann_file: str) -> str:
    """Name the file in an error of a reader."""
    if isinstance(error, (KeyError, TypeError)):
        return (
            f'{ann_file}: a field is missing or wrong ({error!r}). Is it the '
            'annotation file of this dataset?'
        )
    text = str(error)
    return text if ann_file in text else f'{ann_file}: {text}'


def format_table(report: Report, dataset: BaseDataset, title: str) -> str:
    """Format the counts of a report as a table."""
    counts, classes = report.counts, dataset.metainfo['classes']
    sizes = sorted(report.sizes, key=lambda size: size[0] * size[1])
    unused = [c for i, c in enumerate(classes) if i not in report.labels]
    # Segments of raw maps are known only in decoded frames.
    masks = str(counts['masks'])
    if getattr(dataset, 'layout', None) == '.txt':
        masks += ' (in the decoded frames)'
    rows = [
        ['annotation file', dataset.ann_file],
        ['videos', counts['videos']],
        ['frames', f'{counts["frames"]} ({min(report.lengths)} to '
         f'{max(report.lengths)} in a video)'],
        ['sizes', f'{len(sizes)}: {sizes[0][0]} x {sizes[0][1]} to '
         f'{sizes[-1][0]} x {sizes[-1][1]} (width x height)'],
        ['annotated frames', counts['annotated']],
        ['instances', counts['tubes']],
        ['masks', masks],
        *_count_annotations(report),
        ['categories', f'{len(classes) - len(unused)} of {len(classes)} '
         'occur'],
        ['decoded frames', counts['decoded']],
        ['errors', len(report.problems)],
    ]  # yapf: disable
    table = AsciiTable([[key, str(value)] for key, value in rows], title)
    table.inner_heading_row_border = False
    lines = [table.table]
    if 0 < len(unused) <= 10:
        lines.append(f'Without an annotation: {", ".join(unused)}.')
    if not report.labels:
        lines.append(
            'There are no annotations, as is usual for the '
            'validation sets of YouTube-VIS and OVIS.'
        )
    return '\n'.join(lines)


def _count_annotations(report: Report) -> list[list[str]]:
    """Make the rows about annotations in the file and skipped annotations."""
    if report.num_annotations is None:
        return []
    reasons = ', '.join(f'{n} {what}' for what, n in report.left_out.items())
    number = str(report.left_out.total())
    return [
        ['annotations in the file', str(report.num_annotations)],
        ['left out', f'{number}: {reasons}' if reasons else number],
    ]


def parse_args(
    parser: argparse.ArgumentParser, args: list[str] | None
) -> argparse.Namespace:
    parser.add_argument(
        '--splits', nargs='+', choices=SPLITS, default=['train', 'val']
    )
    parser.add_argument(
        '--max-errors',
        type=int,
        default=20,
        help='maximum number of printed errors per split (default: 20)',
    )
    parser.add_argument(
        '--sample',
        type=int,
        default=1000,
        help='number of decoded frames per split (default: 1000)',
    )
    parser.add_argument(
        '--full', action='store_true', help='decode all frames'
    )
    parser.add_argument('--nproc', type=int, default=os.cpu_count())
    args = parser.parse_args(args)
    for key, low in (('max_errors', 0), ('sample', 0), ('nproc', 1)):
        if getattr(args, key) < low:
            parser.error(
                f'--{key.replace("_", "-")} must be {low} or more, '
                f'got {getattr(args, key)}'
            )
    return args


def check_splits(cfg: Config, args: argparse.Namespace) -> int:
    """Check the splits of a config, print tables, and count the errors.

    Args:
        cfg (Config): Config with the dataloaders.
        args (Namespace): Arguments of :func:`parse_args`.

    Returns:
        int: Number of errors.

    Raises:
        OSError, ValueError: If a dataset cannot be built.
    """
    num_errors = 0
    for split in args.splits:
        datasets = [build_unread(c) for c in find_datasets(cfg, split)]
        for dataset in datasets:
            report = check(dataset, args)
            if report.counts:
                print(format_table(report, dataset, split))
            for problem in report.problems[: args.max_errors]:
                print(f'{split}: {problem}')
            hidden = len(report.problems) - args.max_errors
            if hidden > 0:
                print(f'{split}: {hidden} more (--max-errors)')
            num_errors += len(report.problems)
    return num_errors


@report_errors('check_dataset')
def main(args: list[str] | None = None) -> None:
    parser = make_parser(__doc__, DATASET_CONFIG_HELP)
    args = parse_args(parser, args)
    cfg = read_config(parser, args)
    try:
        num_errors = check_splits(cfg, args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if num_errors:
        sys.exit(f'check_dataset: {num_errors} error(s)')
    print('No errors.')


if __name__ == '__main__':
    main()
