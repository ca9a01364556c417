# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Command line, tables and result files of the benchmarks."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from projects.maxtron.engine.cli import positive_int
from projects.maxtron.utils import atomic_path

import torch


def make_parser(doc: str | None, threads: int = 2) -> argparse.ArgumentParser:
    """Make a parser with the arguments of every benchmark.

    Args:
        doc (str, optional): Docstring of the benchmark; its first line is the
            description.
        threads (int): Default of ``--threads``.

    Returns:
        ArgumentParser: Parser with ``--device``, ``--threads`` and ``--json``.
    """
    parser = argparse.ArgumentParser(
        description=(doc or '').split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--device', type=available_device, default='cpu')
    parser.add_argument('--threads', type=positive_int, default=threads)
    parser.add_argument('--json', help='also write the results to this file')
    return parser


def add_comparison_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a comparison with a naive form."""
    parser.add_argument(
        '--cases', default='', help='only cases whose name contains this'
    )
    parser.add_argument(
        '--seconds', type=float, default=2.0, help='time per measurement'
    )
    parser.add_argument(
        '--max-naive-gib',
        type=float,
        default=8.0,
        help='the naive form is skipped if it needs more memory than this',
    )


def available_device(text: str) -> str:
    """Check that a device exists; a ``type`` for ``add_argument``.

    Raises:
        ArgumentTypeError: If it is a CUDA device and PyTorch finds none.
    """
    if text.startswith('cuda') and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError('PyTorch finds no CUDA device')
    return text


def choose_cases(cases: Sequence[Any], text: str) -> list:
    """Choose the cases whose name contains a text.

    Ends the program with one line if there are none.
    """
    chosen = [case for case in cases if text in case.name]
    if not chosen:
        names = '\n  '.join(case.name for case in cases)
        raise SystemExit(f'No case contains "{text}". There are:\n  {names}')
    return chosen


def write_json(args: argparse.Namespace, **results) -> None:
    """Write arguments and results of a benchmark to ``--json``, if given."""
    if args.json is None:
        return
    content = dict(vars(args), torch=torch.__version__, **results)
    with atomic_path(args.json) as part, open(part, 'w') as file:
        json.dump(content, file, indent=2)


class Column(NamedTuple):
    """Column of a table.

    Attributes:
        title (str): Heading.
        key (str): Key of the value in a row.
        form (str): Format of the value, such as '.2f'.
    """

    title: str
    key: str
    form: str


class Table:
    """A table of text, printed row by row.

    Args:
        columns (Sequence[Column]): Columns. Those with the form 's' are
            aligned to the left.
        widths (dict[str, int]): Width by key; default: 7, or the title's.
    """

    def __init__(
        self, columns: Sequence[Column], widths: dict[str, int]
    ) -> None:
        self.columns = columns
        self.widths = [
            widths.get(c.key, max(len(c.title), 7)) for c in columns
        ]

    def header(self) -> str:
        """Format the headings and a line below them."""
        line = self._join([column.title for column in self.columns])
        return f'{line}\n{"-" * len(line)}'

    def row(self, row: dict) -> str:
        """Format one row; a missing value is a dash."""
        return self._join(
            [
                format(row[c.key], c.form) if c.key in row else '-'
                for c in self.columns
            ]
        )

    def _join(self, cells: list[str]) -> str:
        return ' '.join(
            cell.ljust(width) if column.form == 's' else cell.rjust(width)
            for cell, width, column in zip(cells, self.widths, self.columns)
        )


def print_rows(table: Table, rows: Sequence[Callable[[], dict]]) -> list[dict]:
    """Measure rows one after the other and print each when it is there.

    Args:
        table (Table): The table.
        rows (Sequence[callable]): Functions that measure a row.

    Returns:
        list[dict]: The rows.
    """
    print(table.header(), flush=True)
    measured = []
    for measure in rows:
        measured.append(measure())
        print(table.row(measured[-1]), flush=True)
    return measured


def compare(
    run: Callable[[str], Any], unit: str, scale: float, with_naive: bool
) -> dict:
    """Measure time and memory of this project's form and of the naive one.

    Args:
        run (callable): Runs a task in a process of its own: 'time' returns
            milliseconds of both, 'memory of ours' and 'memory of naive' MiB.
        unit (str): Unit of the times, a suffix of their keys.
        scale (float): Factor from milliseconds to that unit.
        with_naive (bool): Whether the naive form fits into memory.

    Returns:
        dict: Times, MiB, and the ratios naive / ours.
    """
    times = [scale * value for value in run('time')]
    row = {f'ours_{unit}': times[0], 'ours_mib': run('memory of ours')}
    if with_naive:
        row[f'naive_{unit}'] = times[1]
        row['naive_mib'] = run('memory of naive')
        row['time_ratio'] = times[1] / times[0]
        row['memory_ratio'] = row['naive_mib'] / row['ours_mib']
    return row
