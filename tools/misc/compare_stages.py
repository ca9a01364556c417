# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare baseline, near-online, offline and end-to-end training.

    python tools/misc/compare_stages.py [--work-dir DIR]
        [--tasks bench panoptic instance] [--seeds 0 1 2]
        [--associations paper ...] [--nproc N] [--table-only]
        [--out FILE.json] [--curves FILE.png] [--save-results DIR]

The task "bench" follows the paper: models of images come first, then models of
clips start from them, then the cross-clip tracker starts from the near-online
model. The tasks "panoptic" and "instance" are short, and all their trainings
start from one training of the baseline. The final rows of a task have equal
numbers of iterations.

Missing data are made. Finished trainings and tests are skipped, and
interrupted trainings are resumed, so the same command continues after an
interruption. The output is a table for each association, with mean and
standard deviation over the seeds, and CPU minutes of a training with its
tests. An association is "paper" or the NAME of a file
configs/_base_/models/association_NAME.py; all are tested on the same weights.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from pathlib import Path
from typing import Optional

from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.utils import dump_json

from mmengine.config import Config

from tools.analysis_tools.bars import check_plot_path
from tools.misc.stage_curves import collect_curves, draw_curves
from tools.misc.stage_results import format_table, save_results, summarize
from tools.misc.stage_tasks import ROOT, TASKS, Row


class Training:
    """One training of the comparison and its results.

    Args:
        row (Row): Row of the training.
        seed (int): Seed of the training.
        work_dir (Path): Folder of the whole comparison.
        start (Training, optional): Training that provides the initial weights.
        things (str): See :class:`Task`. Defaults to ''.
    """

    def __init__(
        self,
        row: Row,
        seed: int,
        work_dir: Path,
        start: Optional['Training'],
        things: str = '',
    ) -> None:
        self.row, self.start = row, start
        self.seed = seed
        self.folder = work_dir / row.folder / f'seed{seed}'
        self.config = ROOT / 'configs' / row.config
        self.checkpoint = self.folder / f'iter_{row.num_iters}.pth'
        self.things = things

    def metrics(self, association: str = 'paper') -> dict[str, float] | None:
        """Read the metrics of a test, if any."""
        values: dict[str, float] = {}
        for folder in self._tests(association):
            paths = sorted(folder.glob('*/*.json'))
            if not paths:
                return None
            values |= json.loads(paths[0].read_text())
        return values

    def _tests(self, association: str) -> list[Path]:
        """List the folders of the tests: of the task and of things."""
        folder = self.folder / f'test-{association}'
        return [folder, Path(f'{folder}-things')][: 2 if self.things else 1]

    def cpu_minutes(self) -> float:
        """Sum the CPU time of the training, its resumed runs and its tests."""
        path = self.folder / 'cpu_seconds.txt'
        if not path.exists():
            return float('nan')
        return sum(map(float, path.read_text().split())) / 60

    @property
    def first_iter(self) -> int:
        """int: Iterations of all trainings before this one."""
        if self.start is None:
            return 0
        return self.start.first_iter + self.start.row.num_iters

    def run(self, associations: list[str], threads: int) -> None:
        """Train and test, unless both are done.

        Args:
            associations (list[str]): Associations to test.
            threads (int): CPU threads of the training.

        Raises:
            RuntimeError: If a tool fails.
        """
        missing = [x for x in associations if self.metrics(x) is None]
        if self.checkpoint.exists() and not missing:
            print(f'{self.folder}: finished before', flush=True)
            return
        if not self.checkpoint.exists():
            self._train(threads)
        for association in missing:
            self._test(association, threads)
        print(
            f'{self.folder}: done, {self.cpu_minutes():.1f} CPU minutes',
            flush=True,
        )

    def _train(self, threads: int) -> None:
        options = [
            f'randomness.seed={self.seed}',
            *self.row.model_options,
            *self.row.options,
        ]
        if self.start is not None:
            options.append(f'load_from={self.start.checkpoint}')
        self._call(
            [
                'train.py',
                self._config_with(self.row.association, self.folder),
                *('--work-dir', self.folder, '--resume'),
                *('--cfg-options', *options),
            ],
            threads,
        )

    def _test(self, association: str, threads: int) -> None:
        for folder in self._tests(association):
            if list(folder.glob('*/*.json')):
                continue
            config = self._config_with(association, folder)
            command = ['test.py', config, self.checkpoint]
            command += ['--work-dir', folder]
            if self.row.model_options:
                command += ['--cfg-options', *self.row.model_options]
            self._call(command, threads)
            if not list(folder.glob('*/*.json')):
                raise RuntimeError(
                    f'{folder} has no results; see driver.log in '
                    f'{self.folder}.'
                )

    def _config_with(self, association: str, folder: Path) -> Path:
        """Return the config, or write it to a folder if it must change."""
        tests_things = folder.name.endswith('-things')
        if association == 'paper' and not tests_things:
            return self.config
        folder.mkdir(parents=True, exist_ok=True)
        cfg = Config.fromfile(self.config)
        if association != 'paper':
            cfg.model.head.association = read_association(association)
        if tests_things:
            use_things(cfg, self.things)
        cfg.dump(folder / 'config.py')
        return folder / 'config.py'

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


def use_things(cfg: Config, data: str) -> None:
    """Let a panoptic model be tested as a model of instances, in place.

    Args:
        cfg (Config): Config of the model.
        data (str): Path of the config of the data below ``configs``.
    """
    head, things = cfg.model.head, Config.fromfile(ROOT / 'configs' / data)
    head.type = 'MaXTronHead'
    kept = ('clip_len', 'mode', 'feature_cache', 'thing_labels')
    head.test_cfg = {k: v for k, v in head.test_cfg.items() if k in kept}
    cfg.test_dataloader = things.test_dataloader
    cfg.test_evaluator = things.test_evaluator


def read_association(name: str) -> dict:
    """Read the ``association`` of a base config.

    Args:
        name (str): Name of the association.

    Returns:
        dict: Value for ``model.head.association``.

    Raises:
        RuntimeError: If there is no such file.
    """
    path = ROOT / f'configs/_base_/models/association_{name}.py'
    if not path.exists():
        raise RuntimeError(
            f'There is no association {name!r}: {path} does not exist.'
        )
    return Config.fromfile(path).association


def plan(task: str, seeds: list[int], work_dir: Path) -> list[Training]:
    """List the trainings seed by seed, each after its initial training."""
    trainings = []
    for seed in seeds:
        runs: dict[str | None, Training] = {}
        for row in TASKS[task].rows:
            runs[row.name] = Training(
                row, seed, work_dir, runs.get(row.start), TASKS[task].things
            )
        trainings += runs.values()
    return trainings


def run_all(
    trainings: list[Training], associations: list[str], nproc: int
) -> None:
    """Run the trainings, ``nproc`` at a time.

    Raises:
        RuntimeError: If a training fails. Others are still run, except those
            that start from it.
    """
    threads = max(1, (os.cpu_count() or 1) // nproc)
    threads = int(os.environ.get('OMP_NUM_THREADS', threads))
    waiting, failed = list(trainings), set()
    jobs: dict[Future, Training] = {}
    with ThreadPoolExecutor(nproc) as pool:
        while waiting or jobs:
            # A training that waits for its start must not take a place.
            unfinished = {*waiting, *jobs.values()}
            for training in waiting[:]:
                if training.start not in unfinished:
                    waiting.remove(training)
                    job = pool.submit(training.run, associations, threads)
                    jobs[job] = training
            for job in wait(jobs, return_when=FIRST_COMPLETED).done:
                training = jobs.pop(job)
                if job.exception() is not None:
                    failed.add(str(job.exception()))
                    waiting = without_followers(waiting, training)
    if failed:
        raise RuntimeError('\n'.join(sorted(failed)))


def without_followers(
    trainings: list[Training], start: Training
) -> list[Training]:
    """Remove the trainings that start from one, and those that follow."""
    removed = {start}
    for training in trainings:
        if training.start in removed:
            removed.add(training)
    return [x for x in trainings if x not in removed]


def make_data(sizes: set[str], nproc: int) -> None:
    """Make the missing data.

    Raises:
        subprocess.CalledProcessError: If the tool fails.
    """
    for size in sorted(sizes):
        tool = ROOT / 'tools/dataset_converters/make_synthetic.py'
        subprocess.run(
            [sys.executable, tool, f'data/synthetic-{size}']
            + ['--size', size, '--nproc', str(nproc)],
            cwd=ROOT,
            check=True,
        )


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/compare_stages')
    )
    parser.add_argument(
        '--tasks', nargs='+', choices=list(TASKS), default=['bench']
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2], help='all tasks'
    )
    parser.add_argument(
        '--associations',
        nargs='+',
        default=['paper'],
        help='associations to test with: paper, robust, stitching (default: '
        'paper)',
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
    parser.add_argument(
        '--curves',
        type=Path,
        help='image for the curves of the first task, .png, .svg or .pdf',
    )
    parser.add_argument(
        '--save-results',
        type=Path,
        metavar='DIR',
        help='folder for a copy of what the tables and curves are made of; '
        'it can be used as --work-dir with --table-only',
    )
    args = parser.parse_args(argv)
    target = args.save_results
    if target and target.resolve() == args.work_dir.resolve():
        parser.error(
            f'--save-results {target} is the --work-dir, whose logs the copy '
            'would replace; name another folder.'
        )
    return args


@report_errors('compare_stages')
def main(argv=None) -> None:
    args = parse_args(argv)
    if args.curves:
        check_plot_path(str(args.curves))
    args.work_dir = args.work_dir.absolute()
    trainings = {
        task: plan(task, args.seeds, args.work_dir) for task in args.tasks
    }
    failure = None
    try:
        if not args.table_only:
            for name in set(args.associations) - {'paper'}:
                read_association(name)
            make_data({TASKS[task].size for task in args.tasks}, args.nproc)
            run_all(
                [t for of in trainings.values() for t in of],
                args.associations,
                args.nproc,
            )
    except RuntimeError as error:
        failure = error
    except subprocess.CalledProcessError as error:
        failure = RuntimeError(
            f'{error.cmd[1]} ended with {error.returncode}; see above.'
        )
    tables: dict = {}
    for task, of in trainings.items():
        tables[task] = {}
        for name in args.associations:
            table = tables[task][name] = summarize(task, of, name)
            print(f'\n{format_table(task, table, name)}')
    if failure is None and not any(
        t for of in tables.values() for t in of.values()
    ):
        failure = RuntimeError(
            f'{args.work_dir} has no results of these tasks, seeds '
            f'{args.seeds} and associations {args.associations}.'
        )
    if args.out:
        dump_json(tables, args.out, indent=1)
    if args.curves:
        task = args.tasks[0]
        keys = list(TASKS[task].metrics.items())[:2]
        draw_curves(collect_curves(trainings[task], dict(keys)), args.curves)
    if args.save_results:
        for of in trainings.values():
            save_results(of, args.work_dir, args.save_results)
    if failure is not None:
        sys.exit(f'compare_stages: {failure}')


if __name__ == '__main__':
    main()
