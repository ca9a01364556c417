# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare the results, cost and settings of runs, given their work folders.

    python tools/analysis_tools/compare_runs.py WORK_DIR WORK_DIR [...]
        [--keys METRIC ...] [--plot FILE.png] [--bootstrap [N]]

The output is two Markdown tables. The first has a row for

- each metric of the last evaluation, with the difference from the first run in
  brackets, and the best value if another iteration has it;
- each metric of tools/test.py;
- the iterations, the seconds per iteration (as in analyze_logs.py, the mean
  without the first line of the log), the GPU memory and the seed.

The second table has the settings that differ. --plot draws the metrics of the
last evaluations as bars. --bootstrap adds a table for each further run: how
much its last test differs from that of the first run, with 95 % intervals over
resampled videos.
"""

import argparse
import json
import re
import statistics
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.engine import load_config
from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.errors import InputError

from mmengine.config import Config
from mmengine.runner import Runner

from tools.analysis_tools.bars import check_plot_path, draw_bars
from tools.analysis_tools.paired_bootstrap import compare
from tools.analysis_tools.training_logs import TrainingLog, read_run

MISSING = '-'
# Settings that MMEngine's runner reads. Other entries of a config are
# variables of the config files.
READ = {*signature(Runner).parameters, 'auto_scale_lr'} - {
    'work_dir',
    'resume',
    'experiment_name',
}
MAX_WIDTH = 60  # maximum number of characters of a setting in the table


class Run(NamedTuple):
    """Settings and results of a run.

    Attributes:
        name (str): Name in the tables.
        cfg (Config): Its resolved config.
        log (TrainingLog): Log of its training.
        tests (dict[str, float]): Metrics of its last test.
        seed (int, optional): Seed of the run, if known.
    """

    name: str
    cfg: Config
    log: TrainingLog
    tests: dict[str, float]
    seed: int | None


def read(work_dir: str) -> Run:
    """Read a work folder.

    Raises:
        FileNotFoundError: If the folder does not exist or does not belong to a
            run.
    """
    folder = Path(work_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f'There is no folder {folder}.')
    # Tests also write configs. The config of the training is preferred.
    trained = sorted(folder.glob('*/vis_data/scalars.json'))
    configs = [path.with_name('config.py') for path in trained] or sorted(
        folder.glob('*/vis_data/config.py')
    )
    if not configs:
        raise FileNotFoundError(
            f'{folder} has no TIMESTAMP/vis_data/config.py: give the '
            '--work-dir of tools/train.py or tools/test.py.'
        )
    cfg = load_config(str(configs[-1]))
    seed = cfg.get('randomness', {}).get('seed')
    if seed is None:
        seed = _drawn_seed(configs[-1])
    # A test writes TIMESTAMP/TIMESTAMP.json; other JSON files are the user's.
    tests = sorted(
        path
        for path in folder.glob('*/*.json')
        if path.stem == path.parent.name
    )
    metrics = json.loads(tests[-1].read_text()) if tests else {}
    return Run(
        str(folder),
        cfg,
        read_run(folder),
        {key: x for key, x in metrics.items() if '/' in key and x is not None},
        seed,
    )


def _drawn_seed(config: Path) -> int | None:
    """Read the seed that the runner drew from its log."""
    for path in config.parents[1].glob('*.log'):
        match = re.search(r'^ +seed: (\d+)$', path.read_text(), re.MULTILINE)
        if match:
            return int(match[1])
    return None


def flatten(node: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """List the settings of a config by dotted key; indices start at 0."""
    children = ()
    if isinstance(node, dict):
        children = node.items()
    elif isinstance(node, (list, tuple)) and any(
        isinstance(x, dict) for x in node
    ):
        children = enumerate(node)
    if not children:
        yield key, list(node) if isinstance(node, tuple) else node
    for name, child in children:
        yield from flatten(child, f'{key}.{name}' if key else str(name))


def differences(runs: list[Run]) -> list[list]:
    """List the settings that differ: key, then the value of each run."""
    settings = [
        dict(flatten({k: x for k, x in run.cfg.items() if k in READ}))
        for run in runs
    ]
    rows = []
    for key in dict.fromkeys(key for x in settings for key in x):
        values = [repr(x[key]) if key in x else MISSING for x in settings]
        if len(set(values)) > 1:
            rows.append([f'`{key}`', *map(_shorten, values)])
    return rows


def _shorten(text: str) -> str:
    text = ' '.join(text.split()).replace('|', r'\|')
    return text if len(text) <= MAX_WIDTH else f'{text[: MAX_WIDTH - 3]}...'


def results(runs: list[Run], keys: list[str] | None) -> list[list]:
    """Make the rows of results: a name, then the value of each run."""
    rows = [
        ['config', *map(_config_name, runs)],
        ['seed', *(MISSING if r.seed is None else r.seed for r in runs)],
        ['iterations', *map(_iterations, runs)],
        ['s/iter', *map(_seconds, runs)],
        ['memory (MB)', *map(_memory, runs)],
    ]
    evaluated = [last_evaluation(run) for run in runs]
    tested = [run.tests for run in runs]
    for title, metrics in (('', evaluated), ('test: ', tested)):
        for key in choose_keys(metrics, keys):
            cells = _metric(key, metrics)
            if not title:
                cells = [
                    cell + _best(key, run) for cell, run in zip(cells, runs)
                ]
            rows.append([title + key, *cells])
    return rows


def last_evaluation(run: Run) -> dict[str, float]:
    """Return the metrics of the last evaluation during the training."""
    evaluations = run.log.evaluations
    return dict(evaluations[max(evaluations)]) if evaluations else {}


def choose_keys(
    metrics: list[dict[str, float]], keys: list[str] | None
) -> list[str]:
    """List the metrics of all runs that the user wants to see."""
    return [
        key
        for key in dict.fromkeys(key for x in metrics for key in x)
        if not keys or {key, key.split('/')[-1]} & set(keys)
    ]


def plot(runs: list[Run], keys: list[str] | None, path: str) -> None:
    """Draw the metrics of the last evaluations, or else of the tests."""
    metrics = [last_evaluation(run) or run.tests for run in runs]
    chosen = choose_keys(metrics, keys)
    if not chosen:
        raise InputError('The runs have no such metrics to plot.')
    series = {
        run.name: [values.get(key) for key in chosen]
        for run, values in zip(runs, metrics, strict=True)
    }
    draw_bars(chosen, series, path)
    print(f'\nWrote {path}')


def _config_name(run: Run) -> str:
    names = [path.stem for path in sorted(Path(run.name).glob('*.py'))]
    return ', '.join(names) or MISSING


def _iterations(run: Run) -> str:
    total = run.cfg.get('train_cfg') or {}
    if not run.log.training:
        return MISSING
    return f'{run.log.training[-1]["step"]} of {total.get("max_iters", "?")}'


def _seconds(run: Run) -> str:
    times = [x['time'] for x in run.log.training if 'time' in x]
    return f'{statistics.mean(times[1:] or times):.3f}' if times else MISSING


def _memory(run: Run) -> str:
    return str(
        max(
            (x['memory'] for x in run.log.training if 'memory' in x),
            default=MISSING,
        )
    )


def _metric(key: str, by_run: list[dict[str, float]]) -> list[str]:
    first, cells = by_run[0].get(key), []
    for i, metrics in enumerate(by_run):
        value = metrics.get(key)
        cell = MISSING if value is None else f'{value:.4g}'
        if i and None not in (first, value):
            cell += f' ({value - first:+.4g})'
        cells.append(cell)
    return cells


def _best(key: str, run: Run) -> str:
    """Format the best value of a metric; empty if it is the last value."""
    values = {i: x[key] for i, x in run.log.evaluations.items() if key in x}
    if not values:
        return ''
    best = max(values, key=lambda i: (values[i], i))
    if best == max(run.log.evaluations):
        return ''
    return f', best {values[best]:.4g} at {best}'


def format_table(header: list[str], rows: list[list]) -> str:
    """Format a Markdown table."""
    lines = [header, [':--', *['--:'] * (len(header) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(map(str, line))} |' for line in lines)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'work_dirs', nargs='+', metavar='WORK_DIR', help='work folder'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='METRIC',
        help='metrics to show, such as VPQ or youtube_vis/segm_mAP; by '
        'default all',
    )
    parser.add_argument(
        '--plot', help='also draw the metrics to this file (.png, .svg, .pdf)'
    )
    parser.add_argument(
        '--bootstrap',
        nargs='?',
        type=positive_int,
        const=1000,
        metavar='N',
        help='also compare the last tests by a paired bootstrap over videos '
        'with N resamples (default of N: %(const)s)',
    )
    args = parser.parse_args(argv)
    if args.plot:
        check_plot_path(args.plot)
    if len(args.work_dirs) < 2:
        parser.error('give two work folders or more.')
    return args


@report_errors('error', ValueError)
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    runs = [read(work_dir) for work_dir in args.work_dirs]
    names = [run.name for run in runs]
    print(format_table(['', *names], results(runs, args.keys)))
    rows = differences(runs)
    if rows:
        print('\n' + format_table(['setting', *names], rows))
    else:
        print('\nNo setting differs.')
    for name in names[1:] if args.bootstrap else []:
        header = ['bootstrap', names[0], name, 'difference', '95 %', 'better']
        print(
            '\n'
            + format_table(header, compare(names[0], name, args.bootstrap))
        )
    if args.plot:
        plot(runs, args.keys, args.plot)


if __name__ == '__main__':
    main()
