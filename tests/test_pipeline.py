# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from itertools import count
from threading import Event, active_count, current_thread

from projects.maxtron.pipeline import map_ahead, run_ahead, run_in_thread

import pytest
import torch


class Counter:
    """Endless numbers that know how many of them were made."""

    def __init__(self, broken=None):
        self.made = [Event() for _ in range(20)]
        self.closed_in = None
        self.broken = broken

    def __iter__(self):
        try:
            for i in count():
                self.made[i].set()
                if i == self.broken:
                    raise OSError(f'item {i} is broken')
                yield i
        finally:
            self.closed_in = current_thread().name

    @property
    def num_made(self):
        return sum(event.is_set() for event in self.made)


@pytest.mark.parametrize('depth', [1, 3])
def test_items_are_made_ahead_within_bounds(depth):
    numbers = Counter()
    before = active_count()
    items = run_ahead(numbers, depth)
    assert numbers.num_made == 0
    for i in range(3):
        assert next(items) == i
        assert numbers.made[i + depth].wait(20)
        assert numbers.num_made == i + depth + 1
    items.close()
    assert numbers.num_made == 3 + depth
    assert numbers.closed_in.startswith('stage')
    assert active_count() == before


def test_error_comes_at_its_position():
    items = run_ahead(Counter(broken=4), depth=3)
    assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(OSError, match='item 4 is broken'):
        next(items)
    assert list(items) == []
    assert list(run_ahead([])) == []


def test_results_of_several_threads_are_in_order():
    started = [Event() for _ in range(20)]

    def work(i):
        started[i].set()
        # Even numbers end after the next one has started.
        assert i % 2 or i > 7 or started[i + 1].wait(20)
        if i == 7:
            raise OSError('item 7 is broken')
        return i * i

    numbers = Counter()
    results = map_ahead(work, numbers, workers=2)
    assert [next(results) for _ in range(7)] == [i * i for i in range(7)]
    # at work, waiting, and one that waits for a place
    assert numbers.num_made <= 7 + 2 + 2
    with pytest.raises(OSError, match='item 7 is broken'):
        next(results)
    assert numbers.closed_in


def test_threads_compute_as_the_caller():
    def settings():
        x = torch.ones(2, 2, requires_grad=True)
        y = x @ x
        return y.dtype, y.requires_grad, torch.get_num_threads()

    def steps():
        yield settings()
        yield settings()

    used = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
            inside = [
                *run_ahead(steps()),
                *map_ahead(lambda _: settings(), [0], 1),
            ]
        outside = list(run_ahead(steps()))
    finally:
        torch.set_num_threads(used)
    assert inside == 3 * [(torch.bfloat16, False, 3)]
    assert outside == 2 * [(torch.float32, True, 3)]


def test_call_in_a_thread():
    event = Event()
    future = run_in_thread(lambda x: event.wait(20) and x, 'result')
    event.set()
    assert future.result() == 'result'
