# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Bar charts of result tables."""

from collections.abc import Mapping, Sequence

from projects.maxtron.errors import InputError
from projects.maxtron.utils import atomic_path

SUFFIXES = ('.png', '.svg', '.pdf')


def check_plot_path(path: str) -> None:
    """Check the name of an image for a plot.

    Raises:
        InputError: If the suffix is not that of a plot.
    """
    if not path.lower().endswith(SUFFIXES):
        raise InputError(f'{path} must end in {" or ".join(SUFFIXES)}')


def draw_bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    path: str,
    stacked: bool = False,
) -> None:
    """Draw horizontal bars with their values.

    Args:
        groups (Sequence[str]): Names of the groups, from top to bottom.
        series (Mapping[str, Sequence[float | None]]): One value per group;
            None: no bar.
        path (str): Image to write, .png, .svg or .pdf.
        stacked (bool): Whether the series are parts of one bar per group.
            Defaults to False.

    Raises:
        WriteError: If the file cannot be written.
    """
    from matplotlib.figure import Figure  # takes a second to import

    height = 0.8 if stacked else 0.8 / max(len(series), 1)
    lines = len(groups) * (1 if stacked else max(len(series), 1))
    figure = Figure(figsize=(8, 1 + 0.3 * lines), layout='constrained')
    axes = figure.subplots()
    left = [0.0] * len(groups)
    for number, (name, values) in enumerate(series.items()):
        shift = 0 if stacked else (number + 0.5) * height - 0.4
        lengths = [value or 0.0 for value in values]
        bars = axes.barh(
            [index + shift for index in range(len(groups))],
            lengths,
            height,
            left=left,
            label=name,
        )
        if stacked:
            left = [a + b for a, b in zip(left, lengths, strict=True)]
        else:
            axes.bar_label(
                bars,
                ['' if v is None else f'{v:.4g}' for v in values],
                padding=2,
                fontsize='small',
            )
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.legend(fontsize='small')
    with atomic_path(path) as part:
        figure.savefig(part, format=path.rsplit('.', 1)[1].lower())
