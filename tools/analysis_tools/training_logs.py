# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reads the JSON logs of trainings by iteration."""

import json
from pathlib import Path
from typing import NamedTuple


class TrainingLog(NamedTuple):
    """What a training has logged.

    Attributes:
        training (list[dict]): Losses, learning rates, ``time`` in seconds an
            iteration and, on a GPU, ``memory`` in MB, with the iteration as
            ``step``.
        evaluations (dict[int, dict]): Metrics by iteration.
    """

    training: list[dict]
    evaluations: dict[int, dict[str, float]]


def read_log(path: Path) -> TrainingLog:
    """Read a ``scalars.json``, or the ``TIMESTAMP.json`` beside it.

    An evaluation without the number of its iteration (with
    ``log_metric_by_epoch=True``, MMEngine's default, all have 0) belongs to
    that of the line before.

    Args:
        path (Path): The file.

    Returns:
        TrainingLog: What is in it.

    Raises:
        ValueError: If a line is no JSON object; but the last one, which an
            interrupted training may have left incomplete, is skipped.
    """
    log, lines = TrainingLog([], {}), Path(path).read_text().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise ValueError(
                f'{path}, line {number}, is no JSON: {error}.'
            ) from error
        metrics = {key: x for key, x in values.items() if '/' in key}
        if metrics:
            last = log.training[-1]['step'] if log.training else 0
            log.evaluations[values.get('step') or last] = metrics
        elif 'step' in values:
            log.training.append(values)
    return log


def read_run(work_dir: Path) -> TrainingLog:
    """Read the logs of a training, of all times that it was begun.

    Where it was resumed, what came after that iteration before is dropped.

    Args:
        work_dir (Path): Its work folder.

    Returns:
        TrainingLog: All lines, in order; empty if nothing was logged.
    """
    run = TrainingLog([], {})
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        log = read_log(path)
        steps = [line['step'] for line in log.training]
        start = min([*steps, *log.evaluations], default=None)
        if start is not None:
            run = TrainingLog(
                [x for x in run.training if x['step'] < start],
                {i: x for i, x in run.evaluations.items() if i < start},
            )
        run.training.extend(log.training)
        run.evaluations.update(log.evaluations)
    return run
