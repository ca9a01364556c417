# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Reader of the JSON logs of trainings by iteration."""

import json
from pathlib import Path
from typing import NamedTuple


class TrainingLog(NamedTuple):
    """Log of a training.

    Attributes:
        training (list[dict]): Losses, learning rates, ``time`` in seconds
            per iteration and, on a GPU, ``memory`` in MB; ``step`` is the
            iteration.
        evaluations (dict[int, dict]): Metrics by iteration.
    """

    training: list[dict]
    evaluations: dict[int, dict[str, float]]


def read_log(path: Path) -> TrainingLog:
    """Read a ``scalars.json``, or the ``TIMESTAMP.json`` in its folder.

    With ``log_metric_by_epoch=True``, MMEngine's default, evaluations have
    step 0. Such an evaluation gets the iteration of the previous line.

    Args:
        path (Path): The file.

    Returns:
        TrainingLog: Content of the file.

    Raises:
        ValueError: If a line is not JSON. The last line may be incomplete
            after an interruption and is skipped in that case.
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
    """Read the logs of a training and of its resumed runs.

    A resumed run replaces the lines from its first iteration on.

    Args:
        work_dir (Path): Work folder of the training.

    Returns:
        TrainingLog: All lines in order; empty without a log.
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
