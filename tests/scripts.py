# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Execution of scripts in this process, in forks, or in a new process.

Only a new process tests the start of a script. The other ways do not load the
libraries again, which takes longer than most test runs.
"""

import io
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.fresh_start import forget_runs
from tests.models import ROOT
from tests.processes import START_METHOD, free_port

TOYS = Path(__file__).parent / 'test_tools'  # toy_config.py, sitecustomize.py


def run_script(script: str | Path, *arguments) -> str:
    """Run a script in this process.

    Args:
        script (str or Path): The script, relative to the root.
        arguments: Its command line.

    Returns:
        str: Output of the script. It is printed if the script fails.

    Raises:
        SystemExit: If the script ends with an error.
    """
    forget_runs()
    path = str(ROOT / script)
    paths = [str(ROOT / 'tools'), str(TOYS), *sys.path]
    out = io.StringIO()
    try:
        with (
            mock.patch.object(sys, 'argv', [path, *map(str, arguments)]),
            mock.patch.object(sys, 'path', paths),
            redirect_stdout(out),
            redirect_stderr(out),
        ):
            runpy.run_path(path, run_name='__main__')
    except BaseException as end:
        if not isinstance(end, SystemExit) or end.code:
            print(out.getvalue())
            raise
    return out.getvalue()


def run_ranks(script: str, *arguments, num_ranks: int = 2) -> None:
    """Run a distributed script on CPUs like ``torchrun``.

    Args:
        script (str): The script, relative to the root.
        arguments: Its command line, without ``--launcher``.
        num_ranks (int): Number of processes. Defaults to 2.
    """
    with mock.patch.dict(os.environ, _environment(WORLD_SIZE=num_ranks)):
        mp.start_processes(
            _run_rank,
            args=(script, *arguments, '--launcher', 'pytorch'),
            nprocs=num_ranks,
            start_method=START_METHOD,
        )


def _run_rank(rank: int, *command) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    try:
        run_script(*command)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def command(script: str, cwd: Path, *arguments) -> dict:
    """Make the arguments of ``subprocess.run`` for a script on the CPU.

    Args:
        script (str): The script, relative to the root.
        cwd (Path): Folder to start it in.
        arguments: Its command line.
    """
    start = ['bash'] if script.endswith('.sh') else [sys.executable]
    environment = dict(
        os.environ,
        PYTHONPATH=f'{ROOT}{os.pathsep}{TOYS}',
        PYTHON=sys.executable,
    )
    return dict(
        args=[*start, str(ROOT / script), *map(str, arguments)],
        cwd=cwd,
        env={**environment, **_environment(PORT=free_port())},
    )


def run(*arguments) -> subprocess.CompletedProcess:
    """Run a script in a new process; see :func:`command`."""
    return subprocess.run(
        **command(*arguments), capture_output=True, text=True
    )


def _environment(**variables) -> dict[str, str]:
    variables.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=free_port(),
        CUDA_VISIBLE_DEVICES=-1,
        OMP_NUM_THREADS=1,
    )
    return {name: str(value) for name, value in variables.items()}
