# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Curves of the validation during the trainings of compare_stages.py."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projects.maxtron.utils import atomic_path


def read_curve(folder: Path, key: str) -> dict[int, float]:
    """Read the values of a training and its resumed runs.

    Args:
        folder (Path): Work folder of the training.
        key (str): Name of the value, such as 'vps/VPQ'.

    Returns:
        dict[int, float]: Values by iteration; the last run counts.
    """
    values = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if key in entry:
                values[entry['step']] = entry[key]
    return values


def collect_curves(
    trainings: Sequence[Any], keys: dict[str, str]
) -> dict[str, dict[str, list[dict[int, float]]]]:
    """Collect the values of the validation, see :func:`draw_curves`.

    Args:
        trainings (Sequence[Training]): All trainings of a task.
        keys (dict[str, str]): Title and key of each value.

    Returns:
        dict[str, dict[str, list[dict[int, float]]]]: By title and name of the
        training, per seed the value by the number of iterations from the
        random weights on.
    """
    panels: dict[str, dict[str, list[dict[int, float]]]] = {}
    for title, key in keys.items():
        lines = panels[title] = {}
        for training in trainings:
            curve = read_curve(training.folder, key)
            if curve:
                lines.setdefault(training.row.name, []).append(
                    {training.first_iter + i: v for i, v in curve.items()}
                )
    return panels


def draw_curves(
    panels: dict[str, dict[str, Sequence[dict[int, float]]]], path: Path
) -> None:
    """Draw the mean curves of all seeds, and their range.

    Args:
        panels (dict[str, dict[str, Sequence[dict[int, float]]]]): Title of a
            panel, name of a line, and per seed the value by iteration.
        path (Path): Image to write, .png, .svg or .pdf.

    Raises:
        WriteError: If the file cannot be written.
    """
    from cycler import cycler  # comes with matplotlib, which imports slowly
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # More lines than colours: the next ones are dashed.
    styles = cycler(linestyle=['-', '--']) * rcParams['axes.prop_cycle']

    figure = Figure(figsize=(4.7 * len(panels), 4), layout='constrained')
    for axes, (title, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items()
    ):
        axes.set_prop_cycle(styles)
        for name, curves in lines.items():
            steps = sorted(set[int]().union(*curves))
            values = [[c[step] for c in curves if step in c] for step in steps]
            (line,) = axes.plot(
                steps,
                [statistics.mean(v) for v in values],
                marker='.',
                label=name,
            )
            axes.fill_between(
                steps,
                [min(v) for v in values],
                [max(v) for v in values],
                color=line.get_color(),
                alpha=0.15,
                linewidth=0,
            )
        axes.set(title=title, xlabel='iterations')
        axes.grid(alpha=0.3)
    handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc='outside lower center', ncols=4, fontsize=8)
    with atomic_path(path) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=100)
