# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Processes of tests, alone or in a gloo group.

They are forks of a server that has loaded all libraries. A new interpreter
needs more time to load them than most test runs take. The server has a single
thread; forks of the test process, which has several, can hang.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope

CONTEXT = mp.get_context('forkserver')
CONTEXT.set_forkserver_preload(['tests.preloaded'])


@contextmanager
def process_group(**kwargs) -> Iterator[None]:
    """Open a gloo process group, and always close it.

    Gloo's threads abort some processes that end with an open group. All
    processes wait for each other first: a process that connects more slowly
    than another one closes its group sees its connection fail.

    Args:
        kwargs: Arguments of ``init_process_group``. By default it reads the
            environment of torchrun.
    """
    dist.init_process_group('gloo', **kwargs)
    try:
        dist.barrier()
        yield
    finally:
        dist.destroy_process_group()


def run_ranks(function: Callable, folder: Path, num_ranks: int = 2) -> None:
    """Call a function in several processes of one group.

    Args:
        function (Callable): Function of (rank, folder), at module level.
        folder (Path): Folder that the processes share.
        num_ranks (int): Number of processes. Defaults to 2.
    """
    start_ranks(_run_rank, function, folder, num_ranks, num_ranks=num_ranks)


def start_ranks(function: Callable, *args, num_ranks: int) -> None:
    """Call a function of (rank, *args) in several processes.

    Raises:
        Exception: A process failed.
    """
    mp.start_processes(
        function, args, nprocs=num_ranks, start_method='forkserver'
    )


def _run_rank(
    rank: int, function: Callable, folder: Path, num_ranks: int
) -> None:
    os.environ.update(LOCAL_RANK=str(rank))  # MMEngine reads this variable
    init_default_scope('mmdet')
    with process_group(
        init_method=f'file://{folder}/store', rank=rank, world_size=num_ranks
    ):
        function(rank, folder)


def exit_code(function: Callable, *args) -> int:
    """Call a function in another process; return its exit code."""
    process = CONTEXT.Process(target=function, args=args)
    process.start()
    process.join()
    return process.exitcode


def free_port() -> int:
    """Find a free port for this process.

    The port is below 32768: Linux may assign ports from 32768 on to any
    process before this port is used.
    """
    for port in range(10000 + os.getpid() % 20000, 32768):
        with socket.socket() as candidate:
            try:
                candidate.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port
    raise OSError('no port is free')
