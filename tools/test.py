# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Test a checkpoint: predict and evaluate the videos of a split."""

from argparse import ArgumentParser, Namespace

from projects.maxtron.engine import add_inference_options, chosen_options
from projects.maxtron.engine.cli import report_errors

from mmdet.engine.hooks.utils import trigger_visualization_hook
from runner_cli import check_sections, make_parser, read_config, run_test


def parse_args(parser: ArgumentParser) -> Namespace:
    """Add the arguments of this tool and parse the command line."""
    parser.add_argument(
        'checkpoint', help='file, URL or name of released weights'
    )
    parser.add_argument(
        '--out', help='also write the predictions to this .pkl file'
    )
    parser.add_argument(
        '--show', action='store_true', help='show the predictions'
    )
    parser.add_argument(
        '--show-dir',
        help='write painted frames to this folder, below '
        'WORK_DIR/TIMESTAMP unless it is absolute',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds that --show waits between frames',
    )
    add_inference_options(parser)
    args = parser.parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out must end in .pkl or .pickle, not "{args.out}"')
    return args


@report_errors()
def main() -> None:
    """Run the tool."""
    parser = make_parser(__doc__)
    args = parse_args(parser)
    cfg = read_config(parser, args)
    check_sections(cfg, 'test')
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    run_test(cfg, args.checkpoint, args.out, **chosen_options(args))


if __name__ == '__main__':
    main()
