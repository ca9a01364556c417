# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""Video panoptic quality (VPQ) of predictions in VIPSeg's format.

    python tools/analysis_tools/eval_vpq.py \
        --pred-dir RESULTS --pred-json RESULTS/pred.json \
        --gt-dir VIPSeg_720P/panomasksRGB \
        --gt-json VIPSeg_720P/panoptic_gt_VIPSeg_val.json
"""

from argparse import Namespace

from projects.maxtron.engine.cli import report_errors
from projects.maxtron.evaluation.functional import (
    WINDOWS,
    TubeStats,
    count_tubes,
    summarize_vpq,
)
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
from projects.maxtron.evaluation.reports import vpq_report


def measure(video: VideoFiles, args: Namespace) -> dict[int, TubeStats]:
    """Match the tubes of a video in all windows."""
    counts = count_video(video)
    return {k: count_tubes(counts, k, video.num_classes) for k in args.windows}


def evaluate(args: Namespace) -> None:
    """Evaluate, print the tables and write the file."""
    categories, videos = measure_videos(args, measure)
    zero = TubeStats.zeros(len(categories))
    stats = {
        k: sum((video[k] for video in videos), zero) for k in args.windows
    }
    summary = summarize_vpq(stats, [c['isthing'] for c in categories])
    names = [c['name'] for c in categories]
    print(
        f'VPQ of {len(videos)} videos in percent\n{vpq_report(summary, names)}'
    )
    for k, stat in stats.items():
        if not stat.num_windows:
            print(f'No video has {k} frames: VPQ is the mean without VPQ^{k}.')
    for group in ('All', 'Things', 'Stuff'):
        value = summary['VPQ'][group]
        suffix = dict(All='', Things='_Th', Stuff='_St')[group]
        print(f'VPQ{suffix}: {"-" if value is None else f"{value:.5f}"}')
    write_json(args.out, dict(summary, classes=names))


@report_errors('eval_vpq', ValueError)
def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    parser = make_parser(__doc__)
    parser.add_argument(
        '--windows',
        type=int,
        nargs='+',
        default=list(WINDOWS),
        help='lengths of the windows in frames (default: 1 2 4 6)',
    )
    parsed = parse_args(parser, args)
    if min(parsed.windows) < 1:
        parser.error('--windows are numbers of frames, 1 or more')
    evaluate(parsed)


if __name__ == '__main__':
    main()
