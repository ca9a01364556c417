# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""One training of compare_stages.py, its tests and their configs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

from mmengine.config import Config

from tools.misc.stage_tasks import ROOT, Row


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
            found = _read_results(folder)
            if found is None:
                return None
            values |= found
        return values

    def _tests(self, association: str) -> dict[Path, str]:
        """List the folders of the tests, each with its data of things."""
        folder = self.folder / f'test-{association}'
        tests = {folder: ''}
        if self.things:
            tests[Path(f'{folder}-things')] = self.things
        return tests

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
        for folder, things in self._tests(association).items():
            if _read_results(folder) is not None:
                continue
            config = self._config_with(association, folder, things)
            command = ['test.py', config, self.checkpoint]
            command += ['--work-dir', folder]
            if self.row.model_options:
                command += ['--cfg-options', *self.row.model_options]
            self._call(command, threads)
            if _read_results(folder) is None:
                raise RuntimeError(
                    f'{folder} has no results; see driver.log in '
                    f'{self.folder}.'
                )

    def _config_with(
        self, association: str, folder: Path, things: str = ''
    ) -> Path:
        """Return the config, or write it to a folder if it must change."""
        if association == 'paper' and not things:
            return self.config
        folder.mkdir(parents=True, exist_ok=True)
        cfg = Config.fromfile(self.config)
        if association != 'paper':
            cfg.model.head.association = read_association(association)
        if things:
            use_things(cfg, things)
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


def _read_results(folder: Path) -> dict[str, float] | None:
    """Read the results of a test, if any."""
    for path in sorted(folder.glob('*/*.json')):
        return json.loads(path.read_text())
    return None


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
