# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Stages of a pipeline: iterators that work while their results are used.

A chain of :func:`run_ahead` overlaps its stages: while the caller uses item
k, the last stage makes item k + 1, the stage before it item k + 2, and so on.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch

Item = TypeVar('Item')
Result = TypeVar('Result')

_END = object()


def run_ahead(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """Iterate in another thread, some items ahead of the caller.

    The thread starts with the first item that is requested, and ends with the
    iterator. It computes with the caller's settings of PyTorch (gradients,
    autocast, device, number of threads). Closing the iterator waits for the
    item that is being made and closes ``items``.

    Args:
        items (Iterable): Items, made one after the other in the thread.
        depth (int): Number of items that may wait for the caller, which
            bounds the memory. Defaults to 1.

    Yields:
        Any: The items in order.

    Raises:
        Exception: Errors of ``items``, at the position of their item.
    """
    iterator = iter(items)
    settings = TorchSettings()

    def step():
        with settings.applied():
            return next(iterator, _END)

    with ThreadPoolExecutor(1, 'stage', settings.start_thread) as thread:
        pending = deque(thread.submit(step) for _ in range(depth))
        try:
            while (item := pending.popleft().result()) is not _END:
                pending.append(thread.submit(step))
                yield item
                del item  # before the wait for the next one
        finally:
            for future in pending:
                future.cancel()
            if hasattr(iterator, 'close'):
                thread.submit(iterator.close).result()


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """Apply a function in several threads; return the results in order.

    Args:
        function (Callable): Function of one item, called in any order.
        items (Iterable): Items, made one after the other in another thread.
        workers (int): Number of threads. As many results may wait for the
            caller, which bounds the memory.

    Yields:
        Any: Result of each item.

    Raises:
        Exception: Errors of ``items`` and ``function``, at the position of
            their item.
    """
    settings = TorchSettings()

    def apply(item: Item) -> Result:
        with settings.applied():
            return function(item)

    with ThreadPoolExecutor(workers, 'map', settings.start_thread) as pool:

        def submit() -> Iterator[Future]:
            for item in items:
                yield pool.submit(apply, item)

        yield from map(Future.result, run_ahead(submit(), workers))


def run_in_thread(function: Callable[..., Result], *args) -> 'Future[Result]':
    """Call a function in a thread of its own.

    Args:
        function (Callable): The function.
        *args: Its arguments.

    Returns:
        Future: Its result. The thread ends with the call.
    """
    settings = TorchSettings()
    thread = ThreadPoolExecutor(1, 'call', settings.start_thread)
    future = thread.submit(function, *args)
    thread.shutdown(wait=False)
    return future


class TorchSettings:
    """Settings of PyTorch in the calling thread, for other threads.

    PyTorch keeps them per thread: a new thread computes gradients, without
    autocast, on the first GPU, and may use all cores.
    """

    def __init__(self) -> None:
        self._num_threads = torch.get_num_threads()
        self._grad = torch.is_grad_enabled()
        self._autocast = [
            (device, torch.get_autocast_dtype(device))
            for device in ('cpu', 'cuda')
            if torch.is_autocast_enabled(device)
        ]
        self._device = None
        if torch.cuda.is_initialized():
            self._device = torch.cuda.current_device()

    def start_thread(self) -> None:
        """Apply the settings that last as long as this thread."""
        torch.set_num_threads(self._num_threads)
        if self._device is not None:
            torch.cuda.set_device(self._device)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Apply the other settings to a block in this thread."""
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(self._grad))
            for device, dtype in self._autocast:
                stack.enter_context(torch.autocast(device, dtype))
            yield
