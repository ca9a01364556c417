# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Segmentation and tracking quality (STQ) of predictions in VIPSeg's format.

    python tools/analysis_tools/eval_stq.py \
        --pred-dir RESULTS --pred-json RESULTS/pred.json \
        --gt-dir VIPSeg_720P/panomasksRGB \
        --gt-json VIPSeg_720P/panoptic_gt_VIPSeg_val.json
"""

from argparse import Namespace

from projects.maxtron.engine.cli import report_errors
from projects.maxtron.evaluation.functional import (
    VideoCounts,
    count_associations,
    summarize_stq,
)
from projects.maxtron.evaluation.metrics.stq_metric import has_vipseg_classes
from projects.maxtron.evaluation.panoptic_cli import (
    make_parser,
    measure_videos,
    parse_args,
    write_json,
)
from projects.maxtron.evaluation.panoptic_folders import (
    VideoFiles,
    count_video,
)
from projects.maxtron.evaluation.reports import stq_crowd_warning, stq_report


def measure(video: VideoFiles, args: Namespace) -> VideoCounts:
    """Count the pixels of a video."""
    return count_video(video)


def evaluate(args: Namespace) -> None:
    """Evaluate, print the tables and write the file."""
    categories, videos = measure_videos(args, measure)
    is_thing = [c['isthing'] for c in categories]
    names = [c['name'] for c in categories]
    first_is_crowd = args.first_is_crowd == 'yes' or (
        args.first_is_crowd == 'auto' and has_vipseg_classes(names)
    )
    stats = [
        count_associations(video, is_thing, first_is_crowd) for video in videos
    ]
    summary = summarize_stq(stats)
    print(
        f'STQ of {len(videos)} videos, in [0, 1]\n{stq_report(summary, names)}'
    )
    warning = stq_crowd_warning(stats, '--first-is-crowd no counts it.')
    if warning:
        print(f'Warning: {warning}')
    for key in ('STQ', 'AQ', 'IoU'):
        print(f'{key}: {summary[key]:.7f}')
    write_json(
        args.out, dict(summary, classes=names, first_is_crowd=first_is_crowd)
    )


@report_errors('eval_stq', ValueError)
def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    parser = make_parser(__doc__)
    parser.add_argument(
        '--first-is-crowd',
        choices=('auto', 'yes', 'no'),
        default='auto',
        help='whether the first listed thing of a video is a crowd, as the '
        'tool of VIPSeg takes it (default: auto, only if all classes are of '
        'VIPSeg)',
    )
    parsed = parse_args(parser, args)
    evaluate(parsed)


if __name__ == '__main__':
    main()
