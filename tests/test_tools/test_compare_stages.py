# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tests of the comparison of stages: its runs, skips and tables."""

import json
import math
from pathlib import Path

import pytest
from mmengine.config import Config

from tools.misc.compare_stages import (
    METRICS,
    ROOT,
    ROWS,
    format_table,
    main,
    plan,
    summarize,
)


def write_run(training, values, step=None, cpu_seconds=('60.0',)):
    """Write the files of a training with an evaluation half way."""
    logs = training.folder / '20261122_213812' / 'vis_data'
    logs.mkdir(parents=True)
    half = training.num_iters // 2
    lines = [
        dict(lr=1e-3, loss=30.5, loss_cls=0.25, step=half),
        dict({key: 1.0 for key in values}, data_time=0.002, step=half),
        dict(lr=1e-6, loss=24.7, loss_cls=0.12, step=training.num_iters),
        dict(values, data_time=0.002, step=step or training.num_iters),
    ]
    (logs / 'scalars.json').write_text(
        ''.join(json.dumps(line) + '\n' for line in lines)
    )
    training.checkpoint.write_bytes(b'weights')
    (training.folder / 'cpu_seconds.txt').write_text('\n'.join(cpu_seconds))


def results(task, value):
    return {key: value + i for i, key in enumerate(METRICS[task].values())}


@pytest.mark.parametrize('task', ROWS)
def test_plan(task, tmp_path):
    trainings = plan(task, [0, 1], tmp_path)
    assert len({t.folder for t in trainings}) == 12
    seen = set()
    additional = {}
    for training in trainings:
        assert training.start is None or training.start in seen
        seen.add(training)
        start, total = training.start, 0
        if start is not None:
            assert start.seed == training.seed
            total = additional[start] + training.num_iters
        if start is not None and training.seed == 0:
            config = Config.fromfile(ROOT / 'configs' / training.row.config)
            name = start.checkpoint.relative_to(tmp_path)
            assert config.load_from == f'work_dirs/compare_stages/{name}'
        additional[training] = total
    # four rows, for the same number of additional iterations
    totals = list(additional.values())
    assert sorted(map(totals.count, set(totals))) == [2, 2, 8]
    assert totals.count(max(totals)) == 8


def test_only_the_last_evaluation_counts(tmp_path):
    first, second, third = plan('panoptic', [0, 1, 2], tmp_path)[6:9]
    assert first.metrics() is None and math.isnan(first.cpu_minutes())
    write_run(first, results('panoptic', 40.0), cpu_seconds=('60.0', '30.0'))
    assert first.metrics()['vps/VPQ'] == 40.0
    assert first.cpu_minutes() == 1.5  # it was resumed once
    write_run(second, results('panoptic', 40.0), step=1)
    assert second.metrics() is None
    # stopped in the last evaluation, tested afterwards
    path = second.folder / 'test' / '20261122_230000'
    path.mkdir(parents=True)
    (path / '20261122_230000.json').write_text('{"vps/VPQ": 41.0}')
    assert second.metrics() == {'vps/VPQ': 41.0}
    assert third.metrics() is None


def test_finished_runs_are_not_repeated(tmp_path, capsys):
    training = plan('instance', [0], tmp_path)[0]
    write_run(training, results('instance', 0.25))
    training.run(threads=1)
    assert 'finished before' in capsys.readouterr().out
    assert not (training.folder / 'driver.log').exists()


def test_failure_is_told_with_its_log(tmp_path):
    """The checkpoint to start from is damaged."""
    trainings = plan('panoptic', [0], tmp_path)
    write_run(trainings[0], results('panoptic', 40.0))
    baseline = trainings[1]
    assert baseline.start is trainings[0]
    with pytest.raises(RuntimeError, match='train.py ended with 1; see .*log'):
        baseline.run(threads=1)
    log = (baseline.folder / 'driver.log').read_text()
    assert 'iter_1000.pth cannot be read as a PyTorch checkpoint' in log
    assert baseline.metrics() is None


def test_table(tmp_path, capsys):
    argv = ['--work-dir', str(tmp_path), '--table-only', '--seeds', '0', '1']
    main(argv)  # nothing yet: two empty tables
    assert capsys.readouterr().out.count('CPU min |') == 2
    panoptic = plan('panoptic', [0, 1], tmp_path)
    for training, value in zip(panoptic, (40.0, 43.0, 50.0, 50.0, 60.0)):
        write_run(training, results('panoptic', value))
    instance = plan('instance', [0], tmp_path)
    write_run(instance[3], results('instance', 0.2))
    out = tmp_path / 'out.json'
    main([*argv, '--out', str(out)])
    text = capsys.readouterr().out
    assert '| start: baseline | 41.5 ± 2.1 | 42.5 ± 2.1 |' in text
    assert '| baseline | 50.0 ± 0.0 |' in text
    assert '| near-online | 20.0 | 120.0 | 220.0 | 1 | 1.0 |' in text
    assert '| offline' not in text  # not run yet
    tables = json.loads(out.read_text())
    entry = tables['panoptic']['near-online, stage 1']  # of one seed so far
    assert entry['seeds'] == [0]
    assert entry['metrics']['VPQ'] == dict(values=[60.0], mean=60.0, std=0.0)
    assert Path(ROOT / entry['config']).exists()
    assert format_table('panoptic', summarize('panoptic', panoptic)) in text
