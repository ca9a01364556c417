# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Independent runs of MMEngine in one process."""

import gc
import multiprocessing
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import projects.maxtron  # noqa: F401, before MMDetection

import mmdet.visualization  # noqa: F401, has managers, too
import mmengine.runner.runner
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.utils import ManagerMixin
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter


def forget_runs() -> None:
    """Drop the loggers, message hubs and visualizers of earlier runs.

    MMEngine finds them by the name of the experiment, by default the second in
    which a run begins. If two runs begin in the same second, the later run
    would write to the log and the captured output of the earlier run.
    """
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
    for manager in _subclasses(ManagerMixin):
        if manager is not DefaultScope:
            manager._instance_dict.clear()


def end_workers() -> None:
    """End the workers of all data loaders.

    A runner is part of reference cycles. Python closes the queues of its
    loaders before the loaders when it collects them, so that each worker
    would keep a later test waiting for 5 s.
    """
    if multiprocessing.active_children():
        for item in gc.get_objects():
            if type(item) is _MultiProcessingDataLoaderIter:
                item._shutdown_workers()


def _subclasses(cls: type) -> Iterator[type]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def set_clock(patch: pytest.MonkeyPatch, step: float) -> None:
    """Replace the clock of MMEngine's runner by one that advances per reading.

    Args:
        patch (MonkeyPatch): Fixture that restores the clock.
        step (float): Seconds from one reading to the next. 0 stops the clock.
    """
    times = count(1.6e9, step)
    own = mmengine.runner.runner.time
    patch.setattr(
        mmengine.runner.runner,
        'time',
        SimpleNamespace(
            time=lambda: next(times),
            strftime=own.strftime,
            localtime=own.localtime,
        ),
    )
