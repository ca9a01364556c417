# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A batch in processes of this machine."""

import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from ...errors import InputError
from ...utils import WriteError
from .inputs import Video
from .job import Job, record_failure, run_video
from .records import Record

# A video whose process died may have been unlucky, not the cause.
_MAX_DEATHS = 2


def run_pool(
    job: Job, videos: list[Video], num_workers: int
) -> Generator[Record, None, None]:
    """Work on videos in processes of this machine.

    A video whose process dies is tried once more, in a new process.

    Args:
        job (Job): The batch.
        videos (list[Video]): The videos.
        num_workers (int): Number of processes; 0: work in this process.

    Yields:
        Record: A record of each video, in the order of completion.

    Raises:
        InputError: If the model cannot be built.
        WriteError: If the results cannot be written.
    """
    if num_workers == 0:
        for video in videos:
            yield run_video(job, video)
        return
    waiting, deaths = deque(videos), Counter[Video]()
    num_workers = min(num_workers, len(videos))
    num_threads = max(1, torch.get_num_threads() // max(1, num_workers))
    devices = _devices(job)
    workers: dict[Any, _Worker] = {}

    def start(device: str | None) -> None:
        if waiting:
            worker = _Worker(job, device, num_threads)
            worker.start(waiting.popleft())
            workers[worker.connection] = worker

    try:
        for i in range(num_workers):
            start(devices[i % len(devices)])
        while workers:
            for connection in wait(list(workers)):
                worker = workers[connection]
                record = worker.result()
                is_alive = record is not None
                if not is_alive:
                    deaths[worker.video] += 1
                    if deaths[worker.video] < _MAX_DEATHS:
                        waiting.append(worker.video)
                    else:
                        cause = worker.cause()
                        record = record_failure(job, worker.video, cause)
                if record is not None:
                    yield record
                if is_alive and waiting:
                    worker.start(waiting.popleft())
                else:
                    del workers[connection]
                    worker.stop()
                    start(worker.device)
    finally:
        for worker in workers.values():
            worker.stop()


def _devices(job: Job) -> list[str | None]:
    """List the devices that the processes share."""
    count = torch.cuda.device_count()
    if job.model['device'] is not None or count == 0:
        return [job.model['device']]
    return [f'cuda:{i}' for i in range(count)]


class _Worker:
    """A process that works on one video after the other.

    Args:
        job (Job): The batch.
        device (str, optional): Device of the model in this process.
        num_threads (int): Threads of PyTorch.
    """

    def __init__(self, job: Job, device: str | None, num_threads: int) -> None:
        # A fork of this process, which has threads, could hang.
        is_linux = sys.platform == 'linux'
        context: Any = mp.get_context('forkserver' if is_linux else 'spawn')
        if is_linux:
            context.set_forkserver_preload([__name__])
        job = replace(job, model={**job.model, 'device': device})
        self.device = device
        self.connection, other = context.Pipe()
        self._process = context.Process(
            target=_work, args=(other, job, num_threads), daemon=True
        )
        self._process.start()
        other.close()

    def start(self, video: Video) -> None:
        """Start to work on a video."""
        self.video = video
        with suppress(OSError):  # result() finds that the process died.
            self.connection.send(video)

    def result(self) -> Record | None:
        """Return the record of the video, None if the process died.

        Raises:
            InputError: If the model cannot be built.
            WriteError: If the results cannot be written.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cause(self) -> str:
        """Describe the death of the process."""
        self._process.join()
        return (
            f'The process ended twice (exit status {self._process.exitcode}; '
            '-9 is often a lack of memory).'
        )

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _work(connection: Connection, job: Job, num_threads: int) -> None:
    """Work on the videos that come, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent ends this one.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(num_threads)
    with suppress(EOFError, BrokenPipeError):
        while True:
            video = connection.recv()
            answer: Record | Exception
            try:
                answer = run_video(job, video)
            except WriteError as error:
                answer = WriteError(str(error))
            except (InputError, OSError) as error:
                answer = InputError(str(error))
            connection.send(answer)


def _die_with_parent() -> None:
    """End this process when its parent was killed."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
