# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Download released weights into the cache, or list them.

    python tools/misc/download_weights.py NAME_OR_URL ...
    python tools/misc/download_weights.py --list [--task TASK]

All tools download the weights that they are given by name. This one is for
machines without internet: run it on another one, and copy the cache folder, or
offer the folder by an HTTP server and set MAXTRON_MIRROR to its address. The
folder is $MAXTRON_HOME, by default ~/.cache/torch/hub/maxtron.

The exit status is 1 if a download failed; the others are still made.
"""

import argparse
import sys

from projects.maxtron.engine.cli import report_errors
from projects.maxtron.errors import InputError
from projects.maxtron.weights import (
    ReleasedWeights,
    cache_folder,
    fetch,
    find_weights,
    is_address,
    list_weights,
)

from terminaltables import AsciiTable


def make_table(entries: list[ReleasedWeights]) -> str:
    """Format released weights as a table, with notes below it."""
    rows = [['Name', 'Task', 'Dataset', 'Published', 'Code', 'Licence']]
    for entry in entries:
        metric = next(iter(entry.metrics.items()), ('-', ''))
        rows.append(
            [
                entry.name + '*' * bool(entry.note),
                entry.task,
                entry.dataset,
                ' '.join(map(str, metric)).strip(),
                entry.code_base,
                entry.licence,
            ]
        )
    table = AsciiTable(rows)
    table.outer_border = False
    notes = [f'* {e.name}: {e.note}' for e in entries if e.note]
    return '\n'.join([table.table, '', *notes, f'{len(entries)} weights'])


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'names', nargs='*', metavar='NAME_OR_URL', help='weights to download'
    )
    parser.add_argument(
        '--list', action='store_true', help='print the known names'
    )
    parser.add_argument(
        '--task', help='only names of VPS, VIS, PS, IS or backbone'
    )
    args = parser.parse_args()
    if not args.names and not args.list:
        parser.error('name the weights to download, or use --list')
    return args


def main() -> int:
    """Run the command line."""
    args = parse_args()
    if args.list:
        names = list_weights(args.task)
        if args.task is None:
            names += list_weights('backbone')
        print(make_table([find_weights(name) for name in names]))
        return 0
    # A wrong name is reported before hours of downloads.
    sources = [n if is_address(n) else find_weights(n) for n in args.names]
    failed = False
    for name, source in zip(args.names, sources):
        try:
            path = fetch(source)
        except InputError as error:
            print(f'error: {error}', file=sys.stderr)
            failed = True
            continue
        print(f'{name}: {path} ({path.stat().st_size / 1e6:.1f} MB)')
        note = getattr(source, 'note', '')
        if note:
            print(f'  note: {note}')
    print(f'cache folder: {cache_folder()}')
    return int(failed)


if __name__ == '__main__':
    with report_errors():
        sys.exit(main())
