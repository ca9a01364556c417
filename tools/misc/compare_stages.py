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

from projects.maxtron.engine.cli import positive_int, report_errors
from projects.maxtron.utils import dump_json

from tools.analysis_tools.bars import check_plot_path
from tools.misc.stage_curves import collect_curves, draw_curves
from tools.misc.stage_results import format_table, save_results, summarize
from tools.misc.stage_tasks import ROOT, TASKS
from tools.misc.stage_training import Training, read_association


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
        RuntimeError: If the tool fails.
    """
    for size in sorted(sizes):
        tool = ROOT / 'tools/dataset_converters/make_synthetic.py'
        status = subprocess.run(
            [sys.executable, tool, f'data/synthetic-{size}']
            + ['--size', size, '--nproc', str(nproc)],
            cwd=ROOT,
        ).returncode
        if status:
            raise RuntimeError(f'{tool} ended with {status}; see above.')


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
