# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Command line, tables and result files of the benchmarks."""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from projects.maxtron.engine.cli import positive_int
from projects.maxtron.utils import dump_json

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


def available_device(text: str) -> str:
    """Check that a device exists; a ``type`` for ``add_argument``.

    Raises:
        ArgumentTypeError: If it is a CUDA device and PyTorch finds none.
    """
    if text.startswith('cuda') and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError('PyTorch finds no CUDA device')
    return text


def write_json(args: argparse.Namespace, **results) -> None:
    """Write arguments and results of a benchmark to ``--json``, if given."""
    if args.json is None:
        return
    content = dict(vars(args), torch=torch.__version__, **results)
    dump_json(content, args.json, indent=2)


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
    """Measure rows one after the other and print each at once.

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
