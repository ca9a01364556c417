# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tables of the work folders of real, if tiny, trainings."""

import json
import re

import pytest

from tools.analysis_tools.compare_runs import differences, main, read
from tools.analysis_tools.training_logs import read_run


def cells(table):
    """Cells of a Markdown table by the first of the line."""
    lines = [line.strip('| ').split(' | ') for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) > 1}


def test_tables(toy_runs, capsys):
    # something else in the work folder, such as maps of a demo
    foreign = toy_runs[0] / 'z/segments.json'
    foreign.parent.mkdir()
    foreign.write_text('[1]')
    plot = toy_runs[0] / 'z/plot.svg'
    main([*map(str, toy_runs), '--plot', str(plot)])
    output = capsys.readouterr().out
    results, settings, _ = map(cells, output.split('\n\n'))
    assert output.endswith(f'\nWrote {plot}\n') and '<svg' in plot.read_text()
    first, second = map(read_run, toy_runs)
    assert results['config'] == ['toy', 'toy']
    assert results['seed'][0] == '1' and int(results['seed'][1]) > 1
    assert results['iterations'] == ['9 of 9', '6 of 6']
    assert all(float(x) < 1 for x in results['s/iter'])
    means = [
        first.evaluations[9]['toy/mean'],
        second.evaluations[6]['toy/mean'],
    ]
    assert results['toy/mean'] == [
        f'{means[0]:.4g}',
        f'{means[1]:.4g} ({means[1] - means[0]:+.4g})',
    ]
    assert results['test: toy/mean'] == [f'{means[0]:.4g}', '-']
    assert settings.pop('setting') == list(map(str, toy_runs))
    assert set(settings) - {':--'} == {
        '`default_hooks.logger.log_metric_by_epoch`',
        '`load_from`',
        '`optim_wrapper.optimizer.lr`',
        '`randomness.seed`',
        '`train_cfg.max_iters`',
    }
    assert settings['`optim_wrapper.optimizer.lr`'] == ['0.01', '0.1']


def test_resumed_run_is_one(toy_runs):
    """Lines after the checkpoint come from the second start only."""
    run = read_run(toy_runs[0])
    assert [line['step'] for line in run.training] == list(range(1, 10))
    assert list(run.evaluations) == [3, 6, 9]
    last = sorted(toy_runs[0].glob('*/vis_data/scalars.json'))[-1]
    times = [
        json.loads(line)['time']
        for line in last.read_text().splitlines()
        if 'loss' in line
    ]
    assert [line['time'] for line in run.training[3:]] == times
    # evaluations that are logged without their iteration
    assert list(read_run(toy_runs[1]).evaluations) == [3, 6]


def test_best_and_chosen_metrics(toy_runs, tmp_path, capsys):
    """The table has the best evaluation if it is not the last."""
    for name, values in (('a', (0.5, 0.25)), ('b', (0.25, 0.5))):
        folder = tmp_path / name / '20260101_000000' / 'vis_data'
        folder.mkdir(parents=True)
        (config,) = toy_runs[1].glob('*/vis_data/config.py')
        (folder / 'config.py').write_text(config.read_text())
        with open(folder / 'scalars.json', 'w') as file:
            for step, value in zip((3, 6), values):
                for line in (
                    dict(
                        loss=1.0, time=9.0 / step, memory=100 + step, step=step
                    ),
                    {'x/AP': value, 'x/AR': 1.0, 'step': step},
                ):
                    file.write(json.dumps(line) + '\n')
            file.write('{"loss": 1.0, "ti')  # it was killed here
    main([str(tmp_path / 'a'), str(tmp_path / 'b'), '--keys', 'AP'])
    out = capsys.readouterr().out
    table = cells(out)
    assert table['x/AP'] == ['0.25, best 0.5 at 3', '0.5 (+0.25)']
    assert 'x/AR' not in table
    assert table['memory (MB)'] == ['106', '106']
    assert table['s/iter'] == ['1.500', '1.500']  # without the first line
    assert 'No setting differs.' in out


def test_settings_in_lists_and_of_one_run_only(toy_runs):
    runs = list(map(read, map(str, toy_runs)))
    for run, hooks in zip(
        runs,
        ([dict(type='A', x=1)], [dict(type='A', x='|' * 99), dict(type='B')]),
    ):
        run.cfg.custom_hooks = hooks
    rows = {row[0]: row[1:] for row in differences(runs)}
    assert rows['`custom_hooks.0.x`'][0] == '1'
    assert re.fullmatch(r"'(\\\|)+\.\.\.", rows['`custom_hooks.0.x`'][1])
    assert rows['`custom_hooks.1.type`'] == ['-', "'B'"]
    assert '`custom_hooks.0.type`' not in rows


def test_what_is_no_run(toy_runs, tmp_path):
    with pytest.raises(SystemExit, match='There is no folder .*nowhere'):
        main([str(toy_runs[0]), str(tmp_path / 'nowhere')])
    with pytest.raises(SystemExit, match='has no TIMESTAMP/vis_data'):
        main([str(toy_runs[0]), str(tmp_path)])
