# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Execution of scripts in this process, in forks, or in a new interpreter.

Only a new interpreter tests the start of a script. The other ways do not load
the libraries again, which takes longer than most test runs.
"""

import ctypes
import io
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from threading import Thread
from unittest import mock

import torch.distributed as dist

from tests.fresh_start import forget_runs
from tests.models import ROOT
from tests.processes import CONTEXT, free_port, start_ranks

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
    start_ranks(
        _run_rank,
        _environment(WORLD_SIZE=num_ranks),
        script,
        *arguments,
        '--launcher',
        'pytorch',
        num_ranks=num_ranks,
    )


def _run_rank(rank: int, environment: dict[str, str], *command) -> None:
    os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank))
    try:
        run_script(*command)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def start_fork(
    script: str, cwd: Path, *arguments, watch: Callable[[], None] | None = None
) -> Callable[[], subprocess.CompletedProcess]:
    """Start a script in a fork, which has a memory of its own.

    Args:
        script (str): The script, relative to the root.
        cwd (Path): Folder to start it in.
        arguments: Its command line.
        watch (Callable, optional): Function for a thread in the fork.

    Returns:
        Callable: Waits for the end of the script and returns what
        ``subprocess.run`` would.
    """
    folder = Path(tempfile.mkdtemp(dir=cwd, prefix='fork'))
    streams = folder / 'out', folder / 'err'
    path = str(ROOT / script)
    argv = [path, *map(str, arguments)]
    process = CONTEXT.Process(
        target=_run_fork, args=(argv, cwd, streams, watch)
    )
    process.start()

    def wait() -> subprocess.CompletedProcess:
        process.join()
        out, err = (stream.read_text() for stream in streams)
        shutil.rmtree(folder)
        return subprocess.CompletedProcess(argv, process.exitcode, out, err)

    return wait


def _steady_malloc() -> None:
    """Let the peak memory of this process depend less on chance.

    By default, glibc keeps an arena per thread and raises the size from which
    it returns memory at once. The peak of a demo then varies by 4 %.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, 'mallopt'):
        libc.mallopt(-8, 1)  # M_ARENA_MAX
        libc.mallopt(-3, 2**20)  # M_MMAP_THRESHOLD


def _run_fork(
    argv: list[str],
    cwd: Path,
    streams: tuple[Path, Path],
    watch: Callable[[], None] | None,
) -> None:
    _steady_malloc()
    if watch is not None:
        Thread(target=watch, daemon=True).start()
    for path, stream in zip(streams, (sys.stdout, sys.stderr), strict=True):
        with open(path, 'w') as file:
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(cwd)
    os.environ.update(_environment())
    sys.argv = argv
    sys.path[:0] = [os.path.dirname(argv[0]), str(TOYS)]
    runpy.run_path(argv[0], run_name='__main__')


def run_fork(*arguments) -> subprocess.CompletedProcess:
    """Run a script in a fork; see :func:`start_fork`."""
    return start_fork(*arguments)()


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
    """Run a script in a new interpreter; see :func:`command`."""
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
