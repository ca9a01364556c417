# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MMDetection's log analysis on the logs of trainings by iteration."""

import json
import sys

import pytest

from tools.analysis_tools import analyze_logs

pyplot = pytest.importorskip('matplotlib.pyplot')


@pytest.fixture
def curves(monkeypatch):
    """Drawn x and y values, and the label of the x axis."""
    monkeypatch.setattr(pyplot, 'xlabel', pyplot.xlabel)  # restored after
    pyplot.switch_backend('agg')
    drawn = []
    plot = pyplot.plot

    def record(xs, ys, **kwargs):
        drawn.append((list(xs), list(ys)))
        return plot(xs, ys, **kwargs)

    monkeypatch.setattr(pyplot, 'plot', record)
    yield drawn
    pyplot.close()


def logs(run):
    return [str(path) for path in sorted(run.glob('*/vis_data/scalars.json'))]


def analyze(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['analyze_logs.py', *arguments])
    analyze_logs.main()


def values(path, key):
    lines = map(json.loads, open(path))
    return [line[key] for line in lines if key in line]


def test_losses_and_time(toy_runs, curves, monkeypatch, tmp_path, capsys):
    (log,) = logs(toy_runs[1])
    out = tmp_path / 'loss.png'
    analyze(
        monkeypatch, 'plot_curve', log, '--keys', 'loss', '--out', str(out)
    )
    assert out.stat().st_size > 1000
    ((xs, ys),) = curves
    assert xs == [1, 2, 3, 4, 5, 6] and ys == values(log, 'loss')
    capsys.readouterr()
    analyze(monkeypatch, 'cal_train_time', log)
    times = [
        line['time'] for line in map(json.loads, open(log)) if 'loss' in line
    ][1:]
    assert (
        f'average iter time: {sum(times) / 5:.4f} s/iter'
        in capsys.readouterr().out
    )


def test_metrics_of_two_runs(toy_runs, curves, monkeypatch, tmp_path):
    """Over the iterations of the evaluations, whether logged or not."""
    files = [logs(toy_runs[0])[0], logs(toy_runs[1])[0]]
    analyze(
        monkeypatch,
        'plot_curve',
        *files,
        '--keys',
        'mean',
        '--out',
        str(tmp_path / 'mean.png'),
    )
    assert curves == [([3, 6], values(path, 'toy/mean')) for path in files]


def test_average_precision(toy_runs, curves, monkeypatch, tmp_path):
    """MMDetection draws a metric with the name mAP in another way."""
    log = tmp_path / 'scalars.json'
    log.write_text(
        open(logs(toy_runs[1])[0])
        .read()
        .replace('toy/mean', 'youtube_vis/segm_mAP')
    )
    labels = []
    monkeypatch.setattr(pyplot, 'xlabel', labels.append)
    analyze(
        monkeypatch,
        'plot_curve',
        str(log),
        '--keys',
        'segm_mAP',
        '--out',
        str(tmp_path / 'map.png'),
    )
    assert curves == [([3, 6], values(log, 'youtube_vis/segm_mAP'))]
    assert labels == ['iter']


def test_losses_and_metrics_do_not_mix(
    toy_runs, curves, monkeypatch, tmp_path
):
    with pytest.raises(SystemExit, match='and loss in another'):
        analyze(
            monkeypatch,
            'plot_curve',
            logs(toy_runs[1])[0],
            '--keys',
            'loss',
            'mean',
            '--out',
            str(tmp_path / 'x.png'),
        )
