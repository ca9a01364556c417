# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tables and logged values of the metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from terminaltables import AsciiTable

from .functional import EVENT_KINDS, STQStats


def vpq_report(
    summary: dict[str, dict], names: Sequence[str] | None = None
) -> str:
    """Make tables of VPQ.

    Args:
        summary (dict): Result of :func:`summarize_vpq`.
        names (Sequence[str], optional): Names of the classes, for a table
            of the classes that have tubes. Defaults to None.

    Returns:
        str: The tables, in percent; '-' if there is nothing to measure.
    """
    windows = summary['windows']
    header = ['', 'VPQ', *(f'VPQ^{k}' for k in windows)]
    rows = [
        [
            group,
            summary['VPQ'][group],
            *(windows[k][group]['pq'] for k in windows),
            max(windows[k][group]['n'] for k in windows),
        ]
        for group in ('All', 'Things', 'Stuff')
    ]
    text = _table([*header, 'classes'], rows, 3)
    if names is None:
        return text
    rows = [
        [
            name,
            summary['VPQ']['per_class'][label],
            *(windows[k]['per_class'][label]['pq'] for k in windows),
        ]
        for label, name in enumerate(names)
    ]
    return f'{text}\n{_table(["class", *header[1:]], rows, 3)}'


def stq_report(
    summary: dict[str, Any], names: Sequence[str] | None = None
) -> str:
    """Make tables of STQ.

    Args:
        summary (dict): Result of :func:`summarize_stq`.
        names (Sequence[str], optional): Names of the classes, for a table
            of the classes that occur. Defaults to None.

    Returns:
        str: The tables, values in [0, 1].
    """
    keys = ['STQ', 'AQ', 'IoU']
    text = _table(['', *keys], [['All', *(summary[k] for k in keys)]], 5)
    if names is None:
        return text
    return f'{text}\n' + _table(
        ['class', 'IoU'],
        [[name, iou] for name, iou in zip(names, summary['per_class'])],
        5,
    )


def semantic_report(
    summary: dict[str, Any], names: Sequence[str] | None = None
) -> str:
    """Make tables of mIoU and video consistency.

    Args:
        summary (dict): Result of :func:`summarize_semantic`.
        names (Sequence[str], optional): Names of the classes, for a table
            of the classes with ground truth. Defaults to None.

    Returns:
        str: The tables, in percent.
    """
    keys = ['mIoU', *(f'mVC{k}' for k in summary['num_windows'])]
    counts = [None, *summary['num_windows'].values()]
    text = _table(
        ['', *keys],
        [['All', *(summary[key] for key in keys)], ['windows', *counts]],
        3,
    )
    if names is None:
        return text
    rows = [[name, iou] for name, iou in zip(names, summary['per_class'])]
    return f'{text}\n{_table(["class", "IoU"], rows, 3)}'


def stable_id_report(summary: dict[str, Any]) -> str:
    """Make a table of the stability of ids.

    Args:
        summary (dict): Result of :func:`summarize_stable_ids`.

    Returns:
        str: The table, in percent.
    """
    rows = [['all things', summary['kept'], None]] + [
        [kind, summary[kind], summary[f'num {kind}']] for kind in EVENT_KINDS
    ]
    table = _table(['', 'ids kept', 'events'], rows, 1)
    return f'{table}\n{summary["switches"]} id switches'


def tracking_report(
    summary: dict[str, Any], names: Sequence[str] | None = None
) -> str:
    """Make a table of tracking metrics.

    Args:
        summary (dict): Result of :func:`summarize_tracks`.
        names (Sequence[str], optional): Names of the classes, for a row of
            each class that has tracks. Defaults to None.

    Returns:
        str: The table, in percent, and the number of identity switches.
    """
    keys = [key for key in summary if key != 'per_class']
    rows = [['All', *(summary[key] for key in keys)]]
    if names is not None:
        rows += [
            [names[label], *(values[key] for key in keys)]
            for label, values in summary['per_class'].items()
        ]
    return _table(['', *keys], rows, 2)


def stq_crowd_warning(stats: Sequence[STQStats], remedy: str) -> str | None:
    """Describe the effect of the crowd rule of VIPSeg's tool.

    Args:
        stats (Sequence[STQStats]): Stats of all videos.
        remedy (str): Way to switch the rule off.

    Returns:
        str | None: The warning; None if no segment was ignored.
    """
    hit = [video for video in stats if video.crowd_id is not None]
    if not hit:
        return None
    return (
        f'STQ leaves out the first listed segment of {len(hit)} of '
        f"{len(stats)} videos as a crowd, as VIPSeg's tool does when it is a "
        f'thing: segment {hit[0].crowd_id} of video {hit[0].name} is the '
        f'first. {remedy}'
    )


def as_floats(values: Mapping[str, float | None]) -> dict[str, float]:
    """Convert the values of a metric for MMEngine's log.

    MMEngine writes integers as null into the JSON file of a test.

    Args:
        values (Mapping[str, float | None]): Values by name; None if there is
            nothing to measure.

    Returns:
        dict[str, float]: The values, with NaN instead of None.
    """
    return {
        key: float('nan') if value is None else float(value)
        for key, value in values.items()
    }


def _table(header: list[str], rows: list[list], digits: int) -> str:
    """Format a table without empty rows."""
    rows = [row for row in rows if any(cell is not None for cell in row[1:])]
    cells = [
        [
            '-'
            if cell is None
            else f'{cell:.{digits}f}'
            if isinstance(cell, float)
            else str(cell)
            for cell in row
        ]
        for row in rows
    ]
    table = AsciiTable([header, *cells])
    table.justify_columns = dict.fromkeys(range(1, len(header)), 'right')
    return table.table
