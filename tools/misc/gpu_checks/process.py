# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Execution of a part in a process of its own, with a time limit."""

import argparse
import json
import math
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

import torch

from . import Part
from .checker import Checker

# Whatever happens to the main process, no other one lives this much longer
# than all parts may take.
_MARGIN = 60


class PartProcess:
    """Process of a part, which loads the libraries and waits for its turn.

    Args:
        part (Part): The part.
        args (Namespace): ``device``, ``threads``, ``small``,
            ``plant_mismatch`` and ``minutes``.
    """

    def __init__(self, part: Part, args: argparse.Namespace) -> None:
        self._name = part.name
        self._folder = TemporaryDirectory()
        self._rows, self._log = (
            Path(self._folder.name, name) for name in ('rows', 'log')
        )
        self._rows.touch(), self._log.touch()
        # The imports of MMEngine ask for GPUs. A fork could not use one.
        context = multiprocessing.get_context(
            'spawn' if args.device.startswith('cuda') else 'forkserver'
        )
        self._turn = context.Event()
        files = str(self._rows), str(self._log)
        self._process = context.Process(
            target=_run,
            args=(part.name, vars(args), *files, self._turn),
            daemon=True,  # It ends with the main process.
        )
        self._process.start()

    def run(self, seconds: float) -> dict:
        """Run the part.

        Args:
            seconds (float): Time limit.

        Returns:
            dict: ``name``, ``rows``, ``seconds``, ``error`` (str or None: why
            the process ended early) and ``log`` (the end of its output).
        """
        start = time.perf_counter()
        self._turn.set()
        try:
            self._process.join(seconds)
            error = _reason(self._process.exitcode, seconds)
        finally:
            self.end()
        lines = self._rows.read_text().splitlines(keepends=True)
        log = self._log.read_text(errors='replace')[-2000:] if error else ''
        self._folder.cleanup()
        return dict(
            name=self._name,
            seconds=time.perf_counter() - start,
            rows=[json.loads(line) for line in lines if line.endswith('\n')],
            error=error,
            log=log,
        )

    def end(self) -> None:
        """End the process and those that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _run(
    name: str, options: dict[str, Any], rows: str, log: str, turn: Any
) -> None:
    """Run a part in this process."""
    os.setsid()  # so that its own processes can be ended with it
    signal.alarm(math.ceil(60 * options['minutes'] + _MARGIN))
    with open(log, 'w') as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.stdout, sys.stderr = open(1, 'w', 1), open(2, 'w', 1)
    try:
        import_module(f'{__package__}.preloaded')
        torch.set_num_threads(options['threads'])
        # The tolerances are those of float32.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        run = import_module(f'{__package__}.{name}').run
        turn.wait()
        with open(rows, 'w') as stream:
            check = Checker(
                stream,
                options['device'],
                options['small'],
                options['plant_mismatch'],
            )
            run(check)
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
