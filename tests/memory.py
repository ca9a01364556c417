# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Memory that a process uses, which depends less on chance than its size.

Memory that was freed but not returned to the system does not count.
"""

import ctypes
import time
from pathlib import Path
from statistics import median

_FIELDS = (
    'arena',
    'ordblks',
    'smblks',
    'hblks',
    'hblkhd',
    'usmblks',
    'fsmblks',
    'uordblks',
    'fordblks',
    'keepcost',
)


class _MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def used_memory() -> int:
    """Return the bytes that glibc's malloc has given and not got back."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _MallInfo
    info = mallinfo()
    return info.uordblks + info.hblkhd


def watch_memory(folder: Path, log: Path) -> None:
    """Record the memory of this process while it writes files, until it ends.

    Args:
        folder (Path): Folder of the written files.
        log (Path): File for the number of files and the bytes, line by line.
    """
    with open(log, 'w', buffering=1) as rows:
        while True:
            if folder.exists():
                count = sum(1 for _ in folder.iterdir())
                rows.write(f'{count} {used_memory()}\n')
            time.sleep(0.02)


def typical(log: Path, *ranges: range) -> list[float]:
    """Compute the median of the bytes in ranges of the number of files."""
    rows = [list(map(int, x.split())) for x in log.read_text().splitlines()]
    return [median(size for count, size in rows if count in r) for r in ranges]
