# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Paired bootstrap of two tests over their videos."""

import json
from pathlib import Path
from typing import Any

from projects.maxtron.engine.hooks.video_stats_hook import FILE_NAME
from projects.maxtron.errors import InputError
from projects.maxtron.evaluation.bootstrap import (
    draw_resamples,
    interval,
    resample_ap,
    resample_stq,
    resample_vpq,
)

import numpy as np


def read_stats(work_dir: str) -> dict[str, dict]:
    """Read the statistics of the last test of a run.

    Args:
        work_dir (str): Work folder of tools/test.py.

    Returns:
        dict[str, dict]: Entries of ``video_stats.json`` by metric.

    Raises:
        InputError: If there are none.
    """
    paths = sorted(Path(work_dir).glob(f'*/{FILE_NAME}'))
    if not paths:
        raise InputError(
            f'{work_dir} has no TIMESTAMP/{FILE_NAME}, which --bootstrap '
            'reads. Test the run again with tools/test.py --work-dir '
            f'{work_dir}; the config must have VideoStatsHook, as '
            'configs/_base_/default_runtime.py has.'
        )
    return {x['metric']: x for x in json.loads(paths[-1].read_text())}


def resample(
    stats: dict[str, Any], names: list[str], counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute a metric of resamples.

    Args:
        stats (dict): Entry of a metric.
        names (list[str]): Names of the V videos.
        counts (np.ndarray): How often each resample has each video, (R, V).

    Returns:
        dict[str, np.ndarray]: Values in percent, each (R,).
    """
    videos = [stats['videos'][name] for name in names]
    if stats['metric'] == 'VPQMetric':
        arrays = [np.array(video) for video in videos]
        return resample_vpq(arrays, stats['is_thing'], counts)
    if stats['metric'] == 'STQMetric':
        return resample_stq(videos, counts)
    return resample_ap(videos, counts)


def compare(
    first: str, second: str, num_resamples: int
) -> list[list[str | int]]:
    """Compare two tests by a paired bootstrap with a fixed seed.

    Both runs have the same videos in each resample.

    Args:
        first (str): Work folder.
        second (str): Work folder.
        num_resamples (int): Number of resamples.

    Returns:
        list[list]: For each metric its name, the value of both runs on all
        videos, their difference with its 95 % interval, and the share of the
        resamples in which the second run is better.

    Raises:
        InputError: If the tests have no metric in common, or other videos.
    """
    runs = [read_stats(work_dir) for work_dir in (first, second)]
    metrics = [name for name in runs[0] if name in runs[1]]
    if not metrics:
        raise InputError(
            f'The tests of {first} and {second} have no metric in common.'
        )
    rows: list[list[str | int]] = []
    for metric in metrics:
        names, others = (list(run[metric]['videos']) for run in runs)
        if set(names) != set(others):
            raise InputError(
                f'{metric}: the tests of {first} and {second} have different '
                f'videos ({len(names)} and {len(others)}, '
                f'{len(set(names) & set(others))} in common). A paired '
                'bootstrap compares tests on the same videos.'
            )
        # The first row has each video once: the value on all videos.
        counts = draw_resamples(len(names), num_resamples)
        counts = np.concatenate([np.ones_like(counts[:1]), counts])
        values = [resample(run[metric], names, counts) for run in runs]
        for key, own in values[0].items():
            difference = values[1][key] - own
            if np.isnan(difference[0]):
                continue
            low, high = interval(difference[1:])
            better = np.nanmean(difference[1:] > 0)
            rows.append(
                [
                    key,
                    f'{own[0]:.2f}',
                    f'{values[1][key][0]:.2f}',
                    f'{difference[0]:+.2f}',
                    f'{low:+.2f} to {high:+.2f}',
                    f'{100 * better:.0f} %',
                ]
            )
    return rows
