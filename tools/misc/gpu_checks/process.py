# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Execution of a part in a process of its own, with a time limit."""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import Part
from .checker import Checker

# Forks of a server that has loaded the libraries, but has not used the GPU.
_CONTEXT = multiprocessing.get_context('forkserver')


def run_part(part: Part, args: argparse.Namespace, seconds: float) -> dict:
    """Run a part.

    Args:
        part (Part): The part.
        args (Namespace): ``device``, ``threads``, ``small`` and
            ``plant_mismatch``.
        seconds (float): Time limit.

    Returns:
        dict: ``name``, ``rows``, ``seconds``, ``error`` (str or None: why the
        process ended early) and ``log`` (the end of its output).
    """
    with TemporaryDirectory() as folder:
        rows, log = Path(folder, 'rows'), Path(folder, 'log')
        rows.touch(), log.touch()
        start = time.perf_counter()
        process = _CONTEXT.Process(
            target=_run,
            args=(part.name, vars(args), str(rows), str(log), seconds),
        )
        process.start()
        try:
            process.join(seconds)
            error = _reason(process.exitcode, seconds)
        finally:
            _end(process)
        return dict(
            name=part.name,
            seconds=time.perf_counter() - start,
            rows=_read_rows(rows),
            error=error,
            log=log.read_text(errors='replace')[-2000:] if error else '',
        )


def _run(
    name: str, options: dict[str, Any], rows: str, log: str, seconds: float
) -> None:
    """Run a part in this process."""
    os.setsid()  # so that its own processes can be ended with it
    signal.alarm(int(seconds) + 10)  # if nobody is left to end it
    with open(log, 'w') as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.stdout, sys.stderr = open(1, 'w', 1), open(2, 'w', 1)
    try:
        import torch

        torch.set_num_threads(options['threads'])
        # The tolerances are those of float32.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        with open(rows, 'w') as stream:
            check = Checker(
                stream,
                options['device'],
                options['small'],
                options['plant_mismatch'],
            )
            import_module(f'{__package__}.{name}').run(check)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    # Threads of libraries cannot hold up the end.
    os._exit(0)


def _reason(exit_code: int | None, seconds: float) -> str | None:
    """Say why a process ended early; None if it did not."""
    if exit_code is None:
        return f'not finished after {seconds:.0f} s'
    if exit_code < 0:
        return f'ended by {signal.Signals(-exit_code).name}'
    return 'ended by an error' if exit_code else None


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """End a process and those that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _read_rows(path: Path) -> list[dict]:
    """Read the rows that a process has written."""
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith('\n')]
