# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron download``: released weights into the cache."""

import argparse
import sys

from ..errors import InputError
from ..weights import cache_folder, fetch, find_weights, is_address


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser(
        'download',
        description='Download released weights into the cache folder. The '
        'exit status is 1 if a download failed; the others are still made.',
    )
    add_names(parser, '+')


def add_names(parser: argparse.ArgumentParser, nargs: str) -> None:
    """Add the argument ``names``."""
    parser.add_argument(
        'names',
        nargs=nargs,
        metavar='NAME_OR_URL',
        help='weights to download ("maxtron models" lists the names)',
    )


def run(args: argparse.Namespace) -> int:
    """Download weights.

    Args:
        args (Namespace): Arguments with ``names``.

    Returns:
        int: 1 if a download failed, else 0.

    Raises:
        CheckpointError: If a name is unknown; nothing is downloaded then.
    """
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
