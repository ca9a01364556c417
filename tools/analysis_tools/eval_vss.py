# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Mean IoU and video consistency of predicted labels on VSPW.

    python tools/analysis_tools/eval_vss.py RESULTS --data-root data/VSPW_480p

RESULTS has VIDEO/FRAME.png of one byte per pixel: the label, 255 for none.
SemanticVideoMetric(outfile_prefix=RESULTS) and the code bases that publish
results on VSPW write such folders. --compatible gives mVC of the published
kind: see docs/analysis.md.
"""

import argparse
from functools import partial

from projects.maxtron.datasets import VSPWDataset
from projects.maxtron.engine.cli import report_errors
from projects.maxtron.evaluation.functional import (
    VC_WINDOWS,
    summarize_semantic,
)
from projects.maxtron.evaluation.panoptic_cli import parse_args, write_json
from projects.maxtron.evaluation.reports import semantic_report
from projects.maxtron.evaluation.semantic_video import count_label_files

from mmengine.utils import track_parallel_progress, track_progress


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('pred_dir', help='folder of predicted labels')
    parser.add_argument(
        '--data-root',
        default='data/VSPW_480p',
        help='VSPW (default: data/VSPW_480p)',
    )
    parser.add_argument(
        '--split', default='val', help='list of the videos (default: val)'
    )
    parser.add_argument(
        '--windows',
        type=int,
        nargs='+',
        default=list(VC_WINDOWS),
        help='lengths of the windows in frames (default: 8 16)',
    )
    parser.add_argument(
        '--compatible',
        action='store_true',
        help='compute mVC like the published code',
    )
    parser.add_argument(
        '--nproc', type=int, default=1, help='number of processes'
    )
    parser.add_argument('--out', help='also write the results to this .json')
    return parser


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate, print the tables and write the file."""
    dataset = VSPWDataset(
        ann_file=f'{args.split}.txt',
        data_root=args.data_root,
        test_mode=True,
        pipeline=[],
    )
    classes = dataset.metainfo['classes']
    measure = partial(
        count_label_files,
        folder=args.pred_dir,
        is_thing=dataset.metainfo['isthing'],
        windows=args.windows,
        compatible=args.compatible,
    )
    videos = [dataset.get_data_info(i) for i in range(len(dataset))]
    if args.nproc == 1:
        stats = track_progress(measure, videos)
    else:
        stats = track_parallel_progress(measure, videos, args.nproc)
    summary = summarize_semantic(stats, args.compatible)
    print(
        f'\nSemantic segmentation of {len(stats)} videos in percent\n'
        f'{semantic_report(summary, classes)}'
    )
    for key in ('mIoU', *(f'mVC{k}' for k in args.windows)):
        value = summary[key]
        print(f'{key}: {"-" if value is None else f"{value:.5f}"}')
    write_json(
        args.out, dict(summary, classes=classes, compatible=args.compatible)
    )


@report_errors('eval_vss', ValueError)
def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    parser = make_parser()
    parsed = parse_args(parser, args)
    if min(parsed.windows) < 2:
        parser.error('--windows are numbers of frames, 2 or more')
    evaluate(parsed)


if __name__ == '__main__':
    main()
