# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tables of the results of compare_stages.py, and copies of the results."""

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projects.maxtron.utils import dump_json, write_text

from tools.misc.stage_tasks import TASKS


def summarize(
    task: str, trainings: Sequence[Any], association: str = 'paper'
) -> dict[str, dict]:
    """Summarize by row: values of the seeds, mean and standard deviation.

    Args:
        task (str): Name of the task.
        trainings (Sequence[Training]): Trainings of the task.
        association (str): Association of the tests.

    Returns:
        dict[str, dict]: By name of a row its config, seeds, mean CPU minutes,
        and by name of a metric its values, mean and standard deviation.
        Rows without results are missing.
    """
    table = {}
    for row in TASKS[task].rows:
        done = [(t, t.metrics(association)) for t in trainings if t.row is row]
        done = [(t, values) for t, values in done if values is not None]
        if not done:
            continue
        entry = dict(
            config=f'configs/{row.config}',
            seeds=[t.seed for t, _ in done],
            cpu_minutes=statistics.mean(t.cpu_minutes() for t, _ in done),
            metrics={},
        )
        for name, key in TASKS[task].metrics.items():
            values = [
                100 * v[key] if re.search('segm|STQ', key) else v[key]
                for _, v in done
            ]
            entry['metrics'][name] = dict(
                values=values,
                mean=statistics.mean(values),
                std=statistics.stdev(values) if len(values) > 1 else 0.0,
            )
        table[row.name] = entry
    return table


def format_table(
    task: str, table: dict[str, dict], association: str = 'paper'
) -> str:
    """Format the results as a Markdown table."""
    names = list(TASKS[task].metrics)
    lines = [
        f'| {task}, association: {association} | '
        + ' | '.join(names)
        + ' | seeds | CPU min |',
        '| :-- |' + ' --: |' * (len(names) + 2),
    ]
    for row, entry in table.items():
        cells = []
        for metric in entry['metrics'].values():
            spread = (
                f' ± {metric["std"]:.1f}' if len(entry['seeds']) > 1 else ''
            )
            cells.append(f'{metric["mean"]:.1f}{spread}')
        lines.append(
            f'| {row} | {" | ".join(cells)} | '
            f'{len(entry["seeds"])} | {entry["cpu_minutes"]:.1f} |'
        )
    return '\n'.join(lines)


def save_results(trainings: Sequence[Any], source: Path, target: Path) -> None:
    """Copy what the tables and curves are made of.

    These are the results of the tests, the values of the validation and the
    CPU time. A few kB remain of each training.

    Args:
        trainings (Sequence[Training]): Trainings to copy.
        source (Path): Work folder of the comparison.
        target (Path): Folder for the copy.

    Raises:
        WriteError: If a file cannot be written.
    """
    for training in trainings:
        folder = training.folder
        copy = target / folder.relative_to(source)
        for path in folder.glob('test-*/*/*.json'):
            values = _validation(json.loads(path.read_text()))
            dump_json(values, copy / path.relative_to(folder), indent=1)
        for path in folder.glob('*/vis_data/scalars.json'):
            entries = map(json.loads, path.read_text().splitlines())
            lines = [
                json.dumps({**values, 'step': entry['step']}) + '\n'
                for entry in entries
                if (values := _validation(entry))
            ]
            if lines:
                write_text(''.join(lines), copy / path.relative_to(folder))
        for path in folder.glob('cpu_seconds.txt'):
            write_text(path.read_text(), copy / path.name)


def _validation(entry: dict) -> dict:
    """Select the metrics of an evaluation, named 'dataset/metric'."""
    return {k: v for k, v in entry.items() if '/' in k and v is not None}
