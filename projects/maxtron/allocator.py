# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Setting of the C library's memory allocator for networks on a CPU."""

import ctypes
import os
import sys

# Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# Old versions of glibc refuse more than 32 MiB.
_THRESHOLDS = (2**30, 2**25)


def keep_freed_memory() -> bool:
    """Let the process keep freed memory for its next tensors.

    By default glibc returns every large block to the system, which then fills
    the pages of the next one with zeros: a third of the CPU time of a
    network. Threads that start later share the main arena, because the others
    are limited to blocks of 64 MiB. Peak memory hardly changes, but it stays
    allocated. Results are the same.

    Nothing happens on systems without glibc, if the environment variable
    ``MAXTRON_MALLOC`` is 0, or if the user has set ``MALLOC_*_`` or
    ``GLIBC_TUNABLES``.

    Returns:
        bool: Whether the allocator was set.
    """
    if sys.platform != 'linux' or os.environ.get('MAXTRON_MALLOC') == '0':
        return False
    names = ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_')
    if any(name in os.environ for name in (*names, 'GLIBC_TUNABLES')):
        return False
    try:
        mallopt = ctypes.CDLL('libc.so.6').mallopt
    except (OSError, AttributeError):
        return False  # another C library
    mallopt(_ARENA_MAX, 1)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    return any(mallopt(_MMAP_THRESHOLD, value) for value in _THRESHOLDS)
