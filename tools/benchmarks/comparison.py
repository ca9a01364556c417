# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Comparison of a part of this project with its naive form."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from tools.benchmarks import cli
from tools.benchmarks.measuring import median_times, peak_memory


class Workload(Protocol):
    """One case in both forms."""

    def ours(self) -> object:
        """Run the project's form."""

    def naive(self) -> object:
        """Run the naive form."""

    def difference(self) -> dict:
        """Compare the results of both forms; return columns of the table."""


def make_parser(
    doc: str | None, num_queries: int | None = None
) -> argparse.ArgumentParser:
    """Make a parser with the arguments of every comparison.

    Args:
        doc (str, optional): Docstring of the benchmark.
        num_queries (int, optional): Default of ``--num-queries``, if masks
            are compared. Defaults to None.

    Returns:
        ArgumentParser: See :func:`tools.benchmarks.cli.make_parser`.
    """
    parser = cli.make_parser(doc)
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
    if num_queries is not None:
        parser.add_argument('--num-queries', type=int, default=num_queries)
        parser.add_argument(
            '--num-segments',
            type=int,
            default=30,
            help='number of queries that have pixels',
        )
    return parser


def choose_cases(cases: Sequence[Any], text: str) -> list:
    """Choose the cases whose name contains a text.

    Ends the program with one line if there are none.
    """
    chosen = [case for case in cases if text in case.name]
    if not chosen:
        names = '\n  '.join(case.name for case in cases)
        raise SystemExit(f'No case contains "{text}". There are:\n  {names}')
    return chosen


def measure_workload(
    task: str,
    workload: Workload,
    seconds: float,
    is_cuda: bool,
    with_naive: bool,
):
    """Measure one quantity; must run in a new process.

    Args:
        task (str): 'time', 'memory of ours', 'memory of naive' or
            'difference'.
        workload (Workload): The case.
        seconds (float): Time per form, if time is measured.
        is_cuda (bool): Whether it runs on a GPU.
        with_naive (bool): Whether to time the naive form.

    Returns:
        list[float] | float | dict: Milliseconds of the forms, MiB, or
        columns of the table.
    """
    if task == 'memory of ours':
        return peak_memory(workload.ours, is_cuda)
    if task == 'memory of naive':
        return peak_memory(workload.naive, is_cuda)
    if task == 'difference':
        return workload.difference()
    functions = [workload.ours, *([workload.naive] if with_naive else [])]
    return median_times(functions, seconds, is_cuda)


def compare(
    run: Callable[[str], Any], unit: str, scale: float, with_naive: bool
) -> dict:
    """Compare this project's form with the naive one.

    Args:
        run (callable): Runs a task of :func:`measure_workload` in a process
            of its own.
        unit (str): Unit of the times, a suffix of their keys.
        scale (float): Factor from milliseconds to that unit.
        with_naive (bool): Whether the naive form fits into memory.

    Returns:
        dict: Times, MiB, the ratios naive / ours, and the difference.
    """
    times = [scale * value for value in run('time')]
    row = {f'ours_{unit}': times[0], 'ours_mib': run('memory of ours')}
    if with_naive:
        row[f'naive_{unit}'] = times[1]
        row['naive_mib'] = run('memory of naive')
        row['time_ratio'] = times[1] / times[0]
        if row['ours_mib'] > 0:  # small forms fit into memory that is there
            row['memory_ratio'] = row['naive_mib'] / row['ours_mib']
        row.update(run('difference'))
    return row


def run_comparison(
    args: argparse.Namespace,
    table: cli.Table,
    rows: Sequence[Callable[[], dict]],
) -> None:
    """Measure and print the rows of a table, and write them to ``--json``.

    Args:
        args (Namespace): The command line.
        table (Table): The table.
        rows (Sequence[callable]): Functions that measure a row.
    """
    cli.write_json(args, rows=cli.print_rows(table, rows))


def run_cases(
    args: argparse.Namespace,
    table: cli.Table,
    cases: Sequence[Any],
    benchmark_case: Callable[[argparse.Namespace, Any], dict],
) -> None:
    """Run a comparison with one row for each case that ``--cases`` chooses.

    Args:
        args (Namespace): The command line.
        table (Table): The table.
        cases (Sequence): The cases, with ``name``.
        benchmark_case (callable): Measures a case.
    """
    chosen = choose_cases(cases, args.cases)
    rows = [partial(benchmark_case, args, case) for case in chosen]
    run_comparison(args, table, rows)
