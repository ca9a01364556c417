# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Segmentation and tracking quality (STQ) of predictions in VIPSeg's format.

    python tools/analysis_tools/eval_stq.py \
        --pred-dir RESULTS --pred-json RESULTS/pred.json \
        --gt-dir VIPSeg_720P/panomasksRGB \
        --gt-json VIPSeg_720P/panoptic_gt_VIPSeg_val.json
"""

from argparse import Namespace

from projects.maxtron.engine.cli import run_tool
from projects.maxtron.evaluation.functional import (
    VideoCounts,
    count_associations,
    summarize_stq,
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
from projects.maxtron.evaluation.reports import stq_report


def measure(video: VideoFiles, args: Namespace) -> VideoCounts:
    """Count the pixels of a video."""
    return count_video(video)


def evaluate(args: Namespace) -> None:
    """Evaluate, print the tables and write the file."""
    categories, videos = measure_videos(args, measure)
    is_thing = [c['isthing'] for c in categories]
    summary = summarize_stq(
        [count_associations(video, is_thing) for video in videos]
    )
    names = [c['name'] for c in categories]
    print(
        f'STQ of {len(videos)} videos, in [0, 1]\n{stq_report(summary, names)}'
    )
    for key in ('STQ', 'AQ', 'IoU'):
        print(f'{key}: {summary[key]:.7f}')
    write_json(args.out, dict(summary, classes=names))


def main(args: list[str] | None = None) -> None:
    """Run the tool."""
    run_tool('eval_stq', evaluate, parse_args(make_parser(__doc__), args))


if __name__ == '__main__':
    main()
