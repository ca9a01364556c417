# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Command line of eval_vpq.py and eval_stq.py."""

import argparse
from collections.abc import Callable
from functools import partial

from mmengine.utils import track_parallel_progress, track_progress

from ..utils import dump_json
from .panoptic_folders import list_videos


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments of both tools.

    Args:
        description (str): Description of the tool.

    Returns:
        ArgumentParser: The parser.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--pred-dir',
        required=True,
        help='folder of predicted masks: VIDEO/FRAME.png, or its parent if '
        'the folder is called pan_pred',
    )
    parser.add_argument(
        '--pred-json', required=True, help='predicted segments: pred.json'
    )
    parser.add_argument(
        '--gt-dir',
        required=True,
        help='folder of annotated masks: VIPSeg_720P/panomasksRGB',
    )
    parser.add_argument(
        '--gt-json',
        required=True,
        help='annotated segments: VIPSeg_720P/panoptic_gt_VIPSeg_val.json',
    )
    parser.add_argument(
        '--sparse',
        action='store_true',
        help='leave out predicted frames that are not in the ground truth '
        '(Cityscapes-VPS)',
    )
    parser.add_argument(
        '--nproc', type=int, default=1, help='number of processes'
    )
    parser.add_argument('--out', help='also write the results to this .json')
    return parser


def parse_args(
    parser: argparse.ArgumentParser, args: list[str] | None
) -> argparse.Namespace:
    """Parse and check the command line.

    Args:
        parser (ArgumentParser): Parser of :func:`make_parser`.
        args (list[str], optional): The arguments. Defaults to None: the
            command line.

    Returns:
        Namespace: The parsed arguments.
    """
    args = parser.parse_args(args)
    if args.nproc < 1:
        parser.error(f'--nproc must be 1 or more, got {args.nproc}')
    if args.out is not None and not args.out.endswith('.json'):
        parser.error(f'--out must end in .json, not "{args.out}"')
    return args


def measure_videos(
    args: argparse.Namespace, measure: Callable
) -> tuple[list[dict], list]:
    """Measure all videos, with a progress bar.

    Args:
        args (Namespace): Arguments of :func:`parse_args`.
        measure (callable): Function of a video (VideoFiles) and the
            arguments, defined in a module so that other processes find it.

    Returns:
        tuple: Categories, and the result of ``measure`` for each video.
    """
    categories, videos = list_videos(
        args.pred_dir, args.pred_json, args.gt_dir, args.gt_json, args.sparse
    )
    measure = partial(measure, args=args)
    if args.nproc == 1:
        results = track_progress(measure, videos)
    else:
        results = track_parallel_progress(measure, videos, args.nproc)
    print()
    return categories, results


def write_json(path: str | None, content: dict) -> None:
    """Write results to a file, if one is given.

    Args:
        path (str, optional): File to write; None: write nothing.
        content (dict): Results.
    """
    if path is None:
        return
    dump_json(content, path, indent=2)
    print(f'Wrote {path}')
