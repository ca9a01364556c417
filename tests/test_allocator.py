# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import multiprocessing
import os
import resource
import sys

from projects.maxtron.allocator import keep_freed_memory

import numpy as np
import pytest

BYTES = 2**25


def count_faults(value):
    """Count the pages that the system clears for an array after a larger one."""
    os.environ['MAXTRON_MALLOC'] = value
    was_set = keep_freed_memory()
    np.empty(2 * BYTES, np.uint8).fill(1)
    faults = []
    # Free memory of the process before the fork is copied the first time.
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.empty(BYTES, np.uint8).fill(1)
        faults.append(
            resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        )
    return was_set, min(faults)


@pytest.mark.skipif(sys.platform != 'linux', reason='a setting of glibc')
def test_freed_memory_is_used_again(monkeypatch):
    results = []
    for value in '01':
        with multiprocessing.get_context('fork').Pool(1) as pool:
            results.append(pool.apply(count_faults, (value,)))
    (off, default), (on, kept) = results
    assert (off, on) == (False, True)
    num_pages = BYTES // 2**21  # if all are huge
    assert default >= num_pages and kept < num_pages / 2
    monkeypatch.setenv('MAXTRON_MALLOC', '1')
    monkeypatch.setenv('MALLOC_TRIM_THRESHOLD_', '1')
    assert not keep_freed_memory()
