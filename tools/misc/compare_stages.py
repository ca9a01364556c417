# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare baseline, near-online, offline and end-to-end training.

    python tools/misc/compare_stages.py [--work-dir DIR]
        [--tasks panoptic instance] [--seeds 0 1 2] [--nproc N]
        [--table-only] [--out FILE.json]

All trainings of a seed start from one training of the baseline and have the
same number of additional iterations. The baseline is continued. Stage 1 trains
near-online MaXTron. Stage 2 continues it, or trains offline MaXTron on it,
with a frozen segmenter or end to end.

The association benchmark is made if it is missing. Finished runs are skipped,
and interrupted runs are resumed. The output is a table with mean and standard
deviation over the seeds, and CPU minutes of a training with its evaluations.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple, Optional

from projects.maxtron.engine.cli import positive_int
from projects.maxtron.utils import dump_json

from mmengine.config import Config

from tools.analysis_tools.training_logs import read_run

ROOT = Path(__file__).resolve().parents[2]
DATA = 'data/synthetic-association'
METRICS = {
    'panoptic': {
        'VPQ': 'vps/VPQ',
        'VPQ_Th': 'vps/VPQ_Th',
        'VPQ_St': 'vps/VPQ_St',
        'VPQ^1': 'vps/VPQ_1',
        'VPQ^2': 'vps/VPQ_2',
        'VPQ^4': 'vps/VPQ_4',
        'VPQ^6': 'vps/VPQ_6',
        'STQ': 'vps/STQ',
    },
    'instance': {
        'AP': 'youtube_vis/segm_mAP',
        'AP50': 'youtube_vis/segm_mAP_50',
        'AP75': 'youtube_vis/segm_mAP_75',
    },
}


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        name (str): Name of the row.
        config (str): Path of the config below ``configs``.
        start (str, optional): Name of the row whose checkpoint the training
            starts from; None for random weights.
    """

    name: str
    config: str
    start: str | None = None


def _rows(
    baseline: str, model: str, data: str, schedules: list[str]
) -> list[Row]:
    """Make the rows of a task; a schedule consists of batch and length."""
    near = 'maxtron/synthetic/maxtron-nearonline'
    names = (
        baseline,
        baseline,
        near,
        near,
        'maxtron/synthetic/maxtron-offline',
        'maxtron/synthetic/maxtron-e2e',
    )
    configs = [
        f'{name}_{model}_{schedule}_{data}.py'.replace('/_', '/')
        for name, schedule in zip(names, schedules)
    ]
    start, first = 'start: baseline', 'near-online, stage 1'
    return [
        Row(start, configs[0]),
        Row('baseline', configs[1], start),
        Row(first, configs[2], start),
        Row('near-online', configs[3], first),
        Row('offline', configs[4], first),
        Row('end-to-end', configs[5], first),
    ]


ROWS = {
    'panoptic': _rows(
        'video_kmax/synthetic/',
        'video-kmax_tiny',
        'synthetic-association-vps',
        [
            '1xb4-1k',
            '1xb4-1k-650',
            '1xb4-400',
            '1xb4-400-250',
            '1xb2-250',
            '1xb3-250',
        ],
    ),
    'instance': _rows(
        'tube_link/synthetic/',
        'tube-link_tiny',
        'synthetic-association-vis',
        [
            '1xb3-1200',
            '1xb3-1200-500',
            '1xb3-300',
            '1xb3-300-200',
            '1xb2-200',
            '1xb2-200',
        ],
    ),
}


@cache
def _num_iters(config: str) -> int:
    return Config.fromfile(ROOT / 'configs' / config).train_cfg.max_iters


class Training:
    """One training of the comparison and its results.

    Args:
        row (Row): Row of the training.
        seed (int): Seed of the training.
        work_dir (Path): Folder of the whole comparison.
        start (Training, optional): Training that provides the initial weights.
    """

    def __init__(
        self, row: Row, seed: int, work_dir: Path, start: Optional['Training']
    ) -> None:
        self.row, self.start = row, start
        self.seed = seed
        self.folder = work_dir / Path(row.config).stem / f'seed{seed}'
        self.num_iters = _num_iters(row.config)
        self.checkpoint = self.folder / f'iter_{self.num_iters}.pth'

    def metrics(self) -> dict[str, float] | None:
        """Read the metrics of the last iteration, or of a test, if any."""
        evaluations = read_run(self.folder).evaluations
        if self.num_iters in evaluations:
            return evaluations[self.num_iters]
        for path in sorted(self.folder.glob('test/*/*.json')):
            return json.loads(path.read_text())
        return None

    def cpu_minutes(self) -> float:
        """Sum the CPU time of the training and of its resumed runs."""
        path = self.folder / 'cpu_seconds.txt'
        if not path.exists():
            return float('nan')
        return sum(map(float, path.read_text().split())) / 60

    def run(self, threads: int) -> None:
        """Train and evaluate, unless both are done.

        Args:
            threads (int): CPU threads of the training.

        Raises:
            RuntimeError: If a tool fails.
        """
        if self.checkpoint.exists() and self.metrics() is not None:
            print(f'{self.folder}: finished before', flush=True)
            return
        config = ROOT / 'configs' / self.row.config
        if (
            self.checkpoint.exists()
        ):  # The run was interrupted during the evaluation.
            command = [
                'test.py',
                config,
                self.checkpoint,
                '--work-dir',
                self.folder / 'test',
            ]
        else:
            command = [
                'train.py',
                config,
                '--work-dir',
                self.folder,
                '--resume',
                '--cfg-options',
                f'randomness.seed={self.seed}',
            ]
            if self.start is not None:
                command.append(f'load_from={self.start.checkpoint}')
        self._call(command, threads)
        if self.metrics() is None:
            raise RuntimeError(
                f'{self.folder} has no results after '
                f'{command[0]}; see driver.log there.'
            )
        print(
            f'{self.folder}: done, {self.cpu_minutes():.1f} CPU minutes',
            flush=True,
        )

    def _call(self, command: list, threads: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / 'driver.log'
        print(f'{self.folder}: {command[0]}', flush=True)
        with open(log, 'a') as file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    ROOT / 'tools' / command[0],
                    *map(str, command[1:]),
                ],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'OMP_NUM_THREADS': str(threads)},
            )
            # Unlike wait(), wait4() returns the CPU time of this process.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        with open(self.folder / 'cpu_seconds.txt', 'a') as file:
            file.write(f'{usage.ru_utime + usage.ru_stime:.1f}\n')
        if process.returncode:
            raise RuntimeError(
                f'{command[0]} ended with {process.returncode}; see {log}.'
            )


def plan(task: str, seeds: list[int], work_dir: Path) -> list[Training]:
    """List all trainings of a task, each after its initial training."""
    by_row = []
    runs: dict[tuple, Training] = {}
    for row in ROWS[task]:
        for seed in seeds:
            training = Training(
                row, seed, work_dir, runs.get((row.start, seed))
            )
            runs[row.name, seed] = training
            by_row.append(training)
    return by_row


def run_all(trainings: list[Training], nproc: int) -> None:
    """Run the trainings, ``nproc`` at a time.

    Raises:
        RuntimeError: If a training fails. Others are still run, except those
            that start from it.
    """
    threads = max(1, (os.cpu_count() or 1) // nproc)
    jobs: dict[Training, Future] = {}

    def run(training):
        if training.start is not None:
            jobs[training.start].result()
        training.run(threads)

    with ThreadPoolExecutor(nproc) as pool:
        for training in trainings:
            jobs[training] = pool.submit(run, training)
    failed = {str(job.exception()) for job in jobs.values() if job.exception()}
    if failed:
        raise RuntimeError('\n'.join(sorted(failed)))


def summarize(task: str, trainings: list[Training]) -> dict[str, dict]:
    """Summarize by row: values of the seeds, mean and standard deviation."""
    table = {}
    for row in ROWS[task]:
        done = [(t, t.metrics()) for t in trainings if t.row is row]
        done = [(t, values) for t, values in done if values is not None]
        if not done:
            continue
        entry = dict(
            config=f'configs/{row.config}',
            seeds=[t.seed for t, _ in done],
            cpu_minutes=statistics.mean(t.cpu_minutes() for t, _ in done),
            metrics={},
        )
        for name, key in METRICS[task].items():
            values = [
                100 * v[key] if re.search('segm|STQ', key) else v[key]
                for _, v in done
            ]
            entry['metrics'][name] = dict(
                values=values,
                mean=statistics.mean(values),
                std=statistics.stdev(values) if len(values) > 1 else 0.0,
            )
        table[row.name] = entry
    return table


def format_table(task: str, table: dict[str, dict]) -> str:
    """Format the results as a Markdown table."""
    names = list(METRICS[task])
    lines = [
        f'| {task} | ' + ' | '.join(names) + ' | seeds | CPU min |',
        '| :-- |' + ' --: |' * (len(names) + 2),
    ]
    for row, entry in table.items():
        cells = []
        for metric in entry['metrics'].values():
            spread = (
                f' ± {metric["std"]:.1f}' if len(entry['seeds']) > 1 else ''
            )
            cells.append(f'{metric["mean"]:.1f}{spread}')
        lines.append(
            f'| {row} | {" | ".join(cells)} | '
            f'{len(entry["seeds"])} | {entry["cpu_minutes"]:.1f} |'
        )
    return '\n'.join(lines)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/compare_stages')
    )
    parser.add_argument(
        '--tasks', nargs='+', choices=list(ROWS), default=list(ROWS)
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        default=[0, 1, 2],
        help='seeds of the panoptic task',
    )
    parser.add_argument(
        '--instance-seeds',
        nargs='+',
        type=int,
        default=[0],
        help='seeds of the instance task',
    )
    parser.add_argument(
        '--nproc', type=positive_int, default=2, help='trainings at a time'
    )
    parser.add_argument(
        '--table-only',
        action='store_true',
        help='print the table of finished trainings and run nothing',
    )
    parser.add_argument('--out', help='JSON file for all results')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    args.work_dir = args.work_dir.absolute()
    seeds = dict(panoptic=args.seeds, instance=args.instance_seeds)
    trainings = {
        task: plan(task, seeds[task], args.work_dir) for task in args.tasks
    }
    try:
        if not args.table_only:
            subprocess.run(
                [
                    sys.executable,
                    'tools/dataset_converters/make_synthetic.py',
                    DATA,
                    '--size',
                    'association',
                    '--nproc',
                    str(args.nproc),
                ],
                cwd=ROOT,
                check=True,
            )
            run_all([t for of in trainings.values() for t in of], args.nproc)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f'compare_stages: {error}')
    tables = {task: summarize(task, of) for task, of in trainings.items()}
    for task, table in tables.items():
        print(f'\n{format_table(task, table)}')
    if args.out:
        dump_json(tables, args.out, indent=1)


if __name__ == '__main__':
    main()
