# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Time and memory of function calls, for the benchmarks of this folder."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

MIB = 2**20


def in_new_process(function: Callable, *args, device: str = 'cpu'):
    """Call a function in a process of its own and return its result.

    Measurements of peak memory thus do not influence each other. The calling
    process must not have computed anything before.
    """
    context = multiprocessing.get_context(
        'fork' if device == 'cpu' else 'spawn'
    )
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *args).result()


def peak_memory(function: Callable[[], object], is_cuda: bool) -> float:
    """Measure the memory of one call beyond its inputs, in MiB.

    On the CPU this is the peak of the resident set, so it must run in a
    process of its own in which nothing large has been freed before.
    """
    if is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    with open('/proc/self/clear_refs', 'w') as f:
        f.write('5')  # reset the peak, see man 5 proc
    before = resident()
    function()
    return (resident('VmHWM') - before) / MIB


def highest_memory(is_cuda: bool) -> float:
    """Return the peak memory since the last :func:`peak_memory`, in MiB.

    Without such a call it is the peak since the start. On the CPU it is the
    whole resident set, with the code of the libraries.
    """
    if is_cuda:
        return torch.cuda.max_memory_allocated() / MIB
    return resident('VmHWM') / MIB


def resident(field: str = 'VmRSS') -> int:
    """Read a size of this process from /proc/self/status, in bytes."""
    with open('/proc/self/status') as f:
        line = next(line for line in f if line.startswith(field))
    return int(line.split()[1]) * 1024


def median_times(
    functions: Sequence[Callable[[], object]], seconds: float, is_cuda: bool
) -> list[float]:
    """Measure the median time of functions in ms, with interleaved calls.

    The first round is a warm-up. It counts only if it takes so long that there
    is no other round.
    """
    times: list[list[float]] = []
    end = time.perf_counter() + seconds * len(functions)
    while len(times) < 4 or time.perf_counter() < end:
        times.append([])
        for function in functions:
            start = time.perf_counter()
            function()
            if is_cuda:
                torch.cuda.synchronize()
            times[-1].append(1e3 * (time.perf_counter() - start))
        if sum(times[0]) > 5e3 * seconds * len(functions):
            break
    return [
        statistics.median(record)
        for record in zip(*(times[1:] if len(times) > 1 else times))
    ]
