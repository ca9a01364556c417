# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Count the files that a reader enters from a frame to its masks.

    python tools/misc/count_walk.py CONFIG CHECKPOINT [--frames N] [--png DIR]

The tool runs the inferencer's ``stream`` on random frames and records its
Python calls in ``projects/maxtron`` by ``sys.setprofile``. It prints the
number of distinct files, of functions, and of changes from one file to
another.
"""

import argparse
import sys
from pathlib import Path

import projects.maxtron
from projects.maxtron.apis import (
    MaXTronInferencer,
    open_frame_source,
    open_results,
)

import numpy as np

ROOT = str(Path(projects.maxtron.__file__).parent)


class Walk:
    """Profile function that records calls within the project.

    Attributes:
        files (list[str]): Files in the order of their first call.
        functions (set[tuple[str, str]]): Files and names of the functions.
        changes (int): Number of changes of file.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.functions: set[tuple[str, str]] = set()
        self.changes = 0
        self._last = ''

    def __call__(self, frame, event: str, arg: object) -> None:
        """Record an event of ``sys.setprofile``."""
        code = frame.f_code
        if event != 'call' or not code.co_filename.startswith(ROOT):
            return
        file = code.co_filename[len(ROOT) + 1 :]
        if file not in self.files:
            self.files.append(file)
        self.functions.add((file, code.co_qualname))
        self.changes += file != self._last
        self._last = file


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--frames', type=int, default=6)
    parser.add_argument('--png', help='new folder to write PNG files to')
    args = parser.parse_args()
    inferencer = MaXTronInferencer(args.config, args.checkpoint, 'cpu')
    random = np.random.default_rng(0)
    frames = list(
        random.integers(0, 256, (args.frames, 96, 160, 3), dtype=np.uint8)
    )
    source = open_frame_source(frames)
    walk = Walk()
    with open_results(inferencer, source, args.png) as results:
        sys.setprofile(walk)
        for i, (_, sample) in enumerate(inferencer.stream(source)):
            if args.png:
                results.write(sample, f'{i:05d}')
        sys.setprofile(None)
    print(
        f'{len(walk.files)} files, {len(walk.functions)} functions, '
        f'{walk.changes} changes of file'
    )
    print('\n'.join(walk.files))


if __name__ == '__main__':
    main()
