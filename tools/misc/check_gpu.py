# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check this project on a GPU; needs no dataset and no network.

    python tools/misc/check_gpu.py [--out FOLDER] [--only PART ...]

The results of the GPU are compared with those of the CPU, and times and memory
are measured. Each part runs in a process of its own with a time limit, so that
a failure in one does not stop the next. FOLDER/check_gpu.md and
FOLDER/check_gpu.json are written after each part. The exit status is 1 if a
result differs by more than its bound, or a part fails.
"""

import argparse
import multiprocessing
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path

from projects.maxtron.engine.cli import positive_int, report_errors

from tools.benchmarks.cli import make_parser
from tools.misc.gpu_checks import PARTS
from tools.misc.gpu_checks.process import PartProcess
from tools.misc.gpu_checks.report import failures, write_report


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    names = [part.name for part in PARTS]
    parser = make_parser(__doc__, threads=8)
    parser.set_defaults(device='cuda')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/check_gpu'),
        help='folder of the report',
    )
    parser.add_argument(
        '--only', nargs='+', choices=names, metavar='PART', help=f'of {names}'
    )
    parser.add_argument(
        '--small',
        action='store_true',
        help='small sizes, for a CPU or a quick look',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=8,
        help='time of all parts together; those that are left are not run',
    )
    parser.add_argument(
        '--part-seconds',
        type=positive_int,
        help='time limit of each part (default: its own)',
    )
    parser.add_argument(
        '--plant-mismatch',
        action='store_true',
        help='change every result of the device, to see the check fail',
    )
    return parser.parse_args(argv)


def make_header(args: argparse.Namespace) -> dict[str, str]:
    """Describe this run."""
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True
    ).stdout.strip()
    return dict(
        Command=' '.join(['check_gpu.py', *sys.argv[1:]]),
        Date=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        Commit=commit or 'unknown',
        Machine=f'{platform.machine()}, {args.threads} CPU threads',
        Device=args.device,
    )


@report_errors()
def main(argv: list[str] | None = None) -> None:
    """Run the parts and write the report."""
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    parts = [p for p in PARTS if not args.only or p.name in args.only]
    end = time.monotonic() + 60 * args.minutes
    results: list[dict] = []
    following = PartProcess(parts[0], args)
    for part, after in zip_longest(parts, parts[1:]):
        process = following
        if after is not None:  # It loads the libraries meanwhile.
            following = PartProcess(after, args)
        limit = min(args.part_seconds or part.seconds, end - time.monotonic())
        result = process.run(max(limit, 0))
        if limit <= 0:
            result['error'] = f'not run: {args.minutes:g} minutes have passed'
        results.append(result)
        failed = failures(result)
        print(
            f'{part.name:<12} {result["seconds"]:4.0f} s, '
            f'{len(result["rows"])} rows, '
            + (f'FAILED: {"; ".join(failed)}' if failed else 'ok'),
            flush=True,
        )
        write_report(args.out, results, make_header(args))
    print(f'{args.out}/check_gpu.md')
    if any(failures(result) for result in results):
        raise SystemExit(1)


if __name__ == '__main__':
    multiprocessing.set_forkserver_preload(['tools.misc.gpu_checks.preloaded'])
    main()
