# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Timer of parts of a model that call each other."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class PartTimer:
    """Timer of the seconds and CPU seconds of parts that call each other.

    Only the innermost part is timed.

    Args:
        parts (Sequence[str]): Names of the parts.
        is_cuda (bool): Whether to wait for a GPU whenever a part changes.
        clock (callable, optional): Function that returns seconds and CPU
            seconds. Defaults to the clocks of this machine.
    """

    def __init__(
        self,
        parts: Sequence[str],
        is_cuda: bool,
        clock: Callable[[], tuple[float, float]] | None = None,
    ) -> None:
        self._clock = clock or _read_clocks
        self.parts = tuple(parts)
        self.is_cuda = is_cuda
        self.current: str | None = None
        self.reset()

    def reset(self) -> None:
        """Start again from zero."""
        self.times = {part: (0.0, 0.0) for part in (None, *self.parts)}
        self._last = self._now()

    @contextmanager
    def part(self, name: str | None) -> Iterator[None]:
        """Time a part; None is for time outside of all parts."""
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def wrap(
        self, owner: Any, method: str, name: str, inside: str | None = None
    ) -> None:
        """Time a method of an object.

        Args:
            owner (Any): The object, such as a module.
            method (str): Name of the method.
            name (str): Part of the calls of the method.
            inside (str, optional): Another part. Calls from this part belong
                to it.
        """
        function = getattr(owner, method)

        def timed(*args, **kwargs):
            is_inside = inside is not None and self.current == inside
            with self.part(inside if is_inside else name):
                return function(*args, **kwargs)

        setattr(owner, method, timed)

    def steps(self, iterator: Iterator, name: str) -> Iterator:
        """Time the steps of an iterator, but not the time between them."""
        end = object()
        while True:
            with self.part(name):
                item = next(iterator, end)
            if item is end:
                return
            yield item
            del item  # before the next item is made

    def _switch(self, name: str | None) -> str | None:
        now = self._now()
        self.times[self.current] = tuple(
            total + end - begin
            for total, end, begin in zip(
                self.times[self.current], now, self._last
            )
        )
        outer, self.current, self._last = self.current, name, now
        return outer

    def _now(self) -> tuple[float, float]:
        if self.is_cuda:
            torch.cuda.synchronize()
        return self._clock()


def _read_clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class TimedClips:
    """A :class:`ClipReader` whose iteration is timed as 'reading'."""

    def __init__(self, clips, timer: PartTimer) -> None:
        self._clips = clips
        self._timer = timer

    def __iter__(self) -> Iterator:
        return self._timer.steps(iter(self._clips), 'reading')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clips, name)
