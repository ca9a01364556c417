# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""``maxtron models``: the released weights as a table."""

import argparse

from terminaltables import AsciiTable

from ..weights import ReleasedWeights, find_weights, list_weights


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of the sub-command."""
    parser = subparsers.add_parser(
        'models', description='List the released models and backbones.'
    )
    add_task(parser)


def add_task(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--task``."""
    parser.add_argument(
        '--task', help='only names of VPS, VIS, PS, IS or backbone'
    )


def run(args: argparse.Namespace) -> None:
    """Print the table.

    Args:
        args (Namespace): Arguments with ``task``.

    Raises:
        InputError: If the task is unknown.
    """
    names = list_weights(args.task)
    if args.task is None:
        names += list_weights('backbone')
    print(make_table([find_weights(name) for name in names]))


def make_table(entries: list[ReleasedWeights]) -> str:
    """Format released weights as a table, with notes below it.

    Args:
        entries (list[ReleasedWeights]): The weights.

    Returns:
        str: The table.
    """
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
