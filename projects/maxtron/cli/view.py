# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron view``: a web page with the results of a run on a video."""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path

from ..engine.cli import positive_int
from ..web import Limits, open_review, run_server
from .serve import add_address, wait

DESCRIPTION = 'Open a web page with the results of a test, demo or batch.'


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser('view', description=DESCRIPTION)
    parser.add_argument(
        'results',
        help='results.json of an instance model, pred.json of a panoptic '
        'model, or a folder with one of them',
    )
    parser.add_argument('video', help='video file or folder of frames')
    parser.add_argument(
        '--truth',
        help='annotation file of the same format, shown beside the results',
    )
    parser.add_argument(
        '--masks',
        help='folder of the PNG files of pred.json (default: pan_pred or '
        'masks beside it)',
    )
    parser.add_argument(
        '--truth-masks',
        help='folder of the annotated PNG files (default: panomasksRGB beside '
        'TRUTH)',
    )
    parser.add_argument(
        '--video-id',
        help='id of the video in the files (default: the only one, or the '
        'name of the folder of frames)',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='minimum score of the tracks, which the page can change '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--max-frames',
        type=positive_int,
        default=1000,
        help='show no more than this number of frames (default: %(default)s)',
    )
    add_address(parser)


def open_server(args: argparse.Namespace) -> AbstractContextManager[str]:
    """Make the server of the page.

    Args:
        args (Namespace): See :func:`add_parser`.

    Returns:
        AbstractContextManager[str]: Runs the server; gives its address.

    Raises:
        FileNotFoundError: If a file does not exist.
        InputError: If the files cannot be read or do not belong together, or
            Gradio is not installed.
    """
    review = open_review(
        args.results,
        args.video,
        args.truth,
        args.masks,
        args.truth_masks,
        args.video_id,
        args.max_frames,
    )

    def make_page(root: Path):
        from ..web.pages import make_view_page
        from ..web.panel import Shown

        return make_view_page(Shown(review, root), args.score_thr)

    return run_server(make_page, Limits(), args.host, args.port, uploads=False)


def run(args: argparse.Namespace) -> None:
    """Run the server until Ctrl-C."""
    wait(open_server(args))
