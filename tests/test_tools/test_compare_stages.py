# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tests of the comparison of stages: its runs, skips and tables."""

import json
import math
import threading
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.models import build
from tools.misc.compare_stages import main, plan, run_all
from tools.misc.stage_curves import collect_curves, draw_curves
from tools.misc.stage_results import format_table, summarize
from tools.misc.stage_tasks import ROOT, TASKS
from tools.misc.stage_training import Training, use_things


def write_test(training, values, association='paper'):
    """Write the results of a test."""
    path = training.folder / f'test-{association}' / '20261122_230000'
    path.mkdir(parents=True)
    (path / '20261122_230000.json').write_text(json.dumps(values))


def write_run(training, values, cpu_seconds=('60.0',)):
    """Write the files of a finished training and its test."""
    write_test(training, values)
    training.checkpoint.write_bytes(b'weights')
    (training.folder / 'cpu_seconds.txt').write_text('\n'.join(cpu_seconds))


def results(task, value):
    keys = TASKS[task].metrics.values()
    return {key: value + i for i, key in enumerate(keys)}


@pytest.mark.slow
@pytest.mark.parametrize('task', TASKS)
def test_plan(task, tmp_path):
    trainings = plan(task, [0, 1], tmp_path)
    rows = len(TASKS[task].rows)
    assert len({t.folder for t in trainings}) == len(trainings) == 2 * rows
    seen, iters, starts = set(), {}, set()
    for training in trainings:
        start = training.start
        assert start is None or (start in seen and start.seed == training.seed)
        seen.add(training)
        starts.add(start)
        iters[training] = training.row.num_iters + iters.get(start, 0)
        if start is not None and training.seed == 0:
            config = Config.fromfile(training.config)
            name = start.checkpoint.relative_to(tmp_path)
            expected = f'work_dirs/compare_stages/{name}'
            assert training.row.options or config.load_from == expected
            assert config.test_dataloader.dataset.data_root.startswith(
                f'{TASKS[task].data}/'
            )
    # the final rows have equal numbers of iterations
    final = [t for t in trainings if t not in starts]
    assert len(final) == (16 if task == 'bench' else 8)
    assert len({iters[t] for t in final}) == 1


def test_results_of_a_run(tmp_path):
    first, second = plan('panoptic', [0], tmp_path)[:2]
    assert first.metrics() is None and math.isnan(first.cpu_minutes())
    write_run(first, results('panoptic', 40.0), cpu_seconds=('60.0', '30.0'))
    assert first.metrics()['vps/VPQ'] == 40.0
    assert first.metrics('other') is None
    assert first.cpu_minutes() == 1.5  # it was resumed once
    assert second.metrics() is None


def test_panoptic_models_are_also_tested_on_things(tmp_path):
    training = plan('bench', [0], tmp_path)[0]
    write_test(training, {'vps/VPQ': 40.0}, 'robust')
    assert training.metrics('robust') is None
    write_test(training, {'youtube_vis/segm_mAP': 0.3}, 'robust-things')
    assert training.metrics('robust') == {
        'vps/VPQ': 40.0,
        'youtube_vis/segm_mAP': 0.3,
    }
    cfg = Config.fromfile(training.config)
    things = cfg.model.head.test_cfg.thing_labels
    use_things(cfg, training.things)
    assert build(cfg.model).head.thing_labels == things
    assert cfg.test_evaluator.type == 'ClipYouTubeVISMetric'
    data_root = cfg.test_dataloader.dataset.data_root
    assert data_root == 'data/synthetic-bench/youtube-vis/'


def test_finished_runs_are_not_repeated(tmp_path, capsys):
    training = plan('instance', [0], tmp_path)[0]
    write_run(training, results('instance', 0.25))
    run_all([training], ['paper'], nproc=1)
    assert 'finished before' in capsys.readouterr().out
    assert not (training.folder / 'driver.log').exists()


class Work(Training):
    """A training that does something else: notes its name, or fails."""

    def __init__(self, name, start=None, wait_for=None, fails=False):
        self.name, self.start, self.wait_for = name, start, wait_for
        self.fails, self.done = fails, threading.Event()

    def run(self, associations, threads):
        if self.wait_for is not None:
            assert self.wait_for.done.wait(60)
        if self.fails:
            raise RuntimeError(f'{self.name} failed')
        self.done.set()


def test_no_place_is_taken_by_waiting():
    other = Work('other')
    first = Work('first', wait_for=other)
    second = Work('second', first)
    run_all([first, second, other], ['paper'], nproc=2)
    assert second.done.is_set()


def test_failure_stops_only_what_follows():
    first = Work('first', fails=True)
    second = Work('second', first)
    third, other = Work('third', second), Work('other')
    last = Work('last', other)
    with pytest.raises(RuntimeError, match='first failed'):
        run_all([first, second, third, other, last], ['paper'], nproc=1)
    assert not second.done.is_set() and not third.done.is_set()
    assert last.done.is_set()


@pytest.mark.slow
def test_failure_is_told_with_its_log(tmp_path):
    """The checkpoint to start from is damaged."""
    trainings = plan('panoptic', [0], tmp_path)
    write_run(trainings[0], results('panoptic', 40.0))
    baseline = trainings[1]
    assert baseline.start is trainings[0]
    with pytest.raises(RuntimeError, match='train.py ended with 1; see .*log'):
        baseline.run(['paper'], threads=1)
    log = (baseline.folder / 'driver.log').read_text()
    assert 'iter_1000.pth cannot be read as a PyTorch checkpoint' in log
    assert baseline.metrics() is None


def test_unknown_association(tmp_path):
    argv = ['--work-dir', str(tmp_path), '--associations', 'guess']
    with pytest.raises(SystemExit, match="no association 'guess'"):
        main(argv)
    assert not list(tmp_path.iterdir())


def test_bad_name_of_a_picture(tmp_path):
    with pytest.raises(SystemExit, match='compare_stages: .*must end in .png'):
        main(['--table-only', '--curves', str(tmp_path / 'curves.gif')])


def test_table(tmp_path, capsys):
    argv = ['--work-dir', str(tmp_path), '--table-only', '--seeds', '0', '1']
    argv += ['--tasks', 'panoptic', 'instance', '--associations']
    with pytest.raises(SystemExit, match=r'no results of .* \[0, 1\] and as'):
        main([*argv, 'paper'])  # nothing yet: two empty tables
    assert capsys.readouterr().out.count('CPU min |') == 2
    panoptic = plan('panoptic', [0, 1], tmp_path)
    rows = panoptic[0], panoptic[6], panoptic[1], panoptic[7], panoptic[2]
    for training, value in zip(rows, (40.0, 43.0, 50.0, 50.0, 60.0)):
        write_run(training, results('panoptic', value))
    write_test(panoptic[1], results('panoptic', 55.0), 'robust')
    instance = plan('instance', [0, 1], tmp_path)
    write_run(instance[3], results('instance', 0.2))
    out = tmp_path / 'out.json'
    main([*argv, 'paper', 'robust', '--out', str(out)])
    text = capsys.readouterr().out
    assert '| start: baseline | 41.5 ± 2.1 | 42.5 ± 2.1 |' in text
    assert '| baseline | 50.0 ± 0.0 |' in text
    assert '| panoptic, association: robust |' in text
    assert '| baseline | 55.0 | 56.0 |' in text
    assert '| near-online | 20.0 | 120.0 | 220.0 | 1 | 1.0 |' in text
    assert '| offline' not in text  # not run yet
    tables = json.loads(out.read_text())
    entry = tables['panoptic']['paper']['near-online, stage 1']
    assert entry['seeds'] == [0]  # so far
    assert entry['metrics']['VPQ'] == dict(values=[60.0], mean=60.0, std=0.0)
    assert Path(ROOT / entry['config']).exists()
    assert format_table('panoptic', summarize('panoptic', panoptic)) in text


def write_log(training, run, values):
    path = training.folder / run / 'vis_data'
    path.mkdir(parents=True)
    lines = [json.dumps(dict(loss=1.0, step=1))]
    lines += [json.dumps({'vps/VPQ': v, 'step': i}) for i, v in values.items()]
    (path / 'scalars.json').write_text('\n'.join(lines))


def test_curves(tmp_path):
    """The third training follows the first one, of 1000 iterations."""
    trainings = plan('panoptic', [0, 1], tmp_path)
    first, _, third = trainings[:3]
    write_log(first, '1', {500: 10.0, 1000: 15.0})
    write_log(first, '2', {1000: 20.0})  # resumed
    write_log(trainings[6], '1', {500: 30.0})  # another seed
    write_log(third, '1', {400: 50.0})
    panels = collect_curves(trainings, {'quality': 'vps/VPQ'})
    assert panels == {
        'quality': {
            first.row.name: [{500: 10.0, 1000: 20.0}, {500: 30.0}],
            third.row.name: [{1400: 50.0}],
        }
    }
    image = tmp_path / 'curves.png'
    draw_curves(panels, image)
    assert image.read_bytes().startswith(b'\x89PNG')


def test_saved_results_give_the_same_table_and_curves(tmp_path, capsys):
    work, saved = tmp_path / 'work', tmp_path / 'saved'
    for task in ('panoptic', 'instance'):
        first, other = (plan(task, [seed], work)[0] for seed in (0, 1))
        write_run(first, {**results(task, 40.0), 'time': 0.5, 'vps/n': None})
        write_log(first, '1', {500: 10.0})
        write_log(first, '2', {})  # ended before its first validation
        write_run(other, results(task, 20.0))
    argv = ['--table-only', '--tasks', 'panoptic', 'instance', '--seeds', '0']
    argv += ['--curves', str(tmp_path / 'curves.svg'), '--work-dir']
    main([*argv, str(work), '--save-results', str(saved)])
    table = capsys.readouterr().out
    assert '40.0' in table
    main([*argv, str(saved)])
    assert capsys.readouterr().out == table
    first = plan('panoptic', [0], saved)[0]
    assert first.metrics() == results('panoptic', 40.0)
    curves = collect_curves([first], {'quality': 'vps/VPQ'})
    assert curves == {'quality': {first.row.name: [{500: 10.0}]}}
    names = {p.name for p in saved.rglob('*') if p.is_file()}
    assert names == {'20261122_230000.json', 'cpu_seconds.txt', 'scalars.json'}
    assert not (first.folder / '2').exists()
    assert not (saved / first.row.folder / 'seed1').exists()


def test_a_copy_does_not_replace_the_logs(tmp_path, capsys):
    training = plan('panoptic', [0], tmp_path)[0]
    write_log(training, '1', {500: 10.0})
    before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
    argv = ['--table-only', '--work-dir', str(tmp_path), '--save-results']
    with pytest.raises(SystemExit):
        main([*argv, f'{tmp_path}/../{tmp_path.name}'])
    assert 'is the --work-dir, whose logs' in capsys.readouterr().err
    assert before
    for path, content in before.items():
        assert path.read_bytes() == content
