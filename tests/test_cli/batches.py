# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Batches of short videos, some of them broken."""

from pathlib import Path

from projects.maxtron_cli import main

import numpy as np

from tests.footage import (
    INSTANCE_CONFIG,
    make_model,
    write_frames,
    write_video,
)

HERE = ('--workers', '0')
# Ends the first worker process of a batch, as a lack of memory does.
DEADLY = """
import multiprocessing, os, signal
if multiprocessing.parent_process() and not os.path.exists('{flag}'):
    open('{flag}', 'w').close()
    os.kill(os.getpid(), signal.SIGKILL)
"""
BROKEN = {'empty.mp4': b'', 'noise.avi': bytes(range(256)) * 9}


def write_batch(folder: Path, num_videos: int = 3, num_frames: int = 4):
    """Write videos, a folder of frames, and three videos that are broken."""
    rng = np.random.default_rng(0)
    size = (num_frames, 48, 64, 3)
    for i in range(num_videos):
        path = folder / f'day{i % 2}' / f'{i}.mp4'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, rng.integers(0, 255, size, np.uint8))
    frames = rng.integers(0, 255, size, np.uint8)
    write_frames(folder / 'frames', frames)
    cut = write_frames(folder / 'cut', frames) / f'{num_frames - 1}.png'
    cut.write_bytes(cut.read_bytes()[:-99])
    for name, content in BROKEN.items():
        (folder / name).write_bytes(content)
    return folder


def batch(model: list[str], folder: Path, out: Path, *arguments) -> int | None:
    """Run ``maxtron batch``; return its exit status."""
    config, *options = model
    arguments = [*options, '--score-thr', 0.01, *arguments]
    paths = ['--model', config, '--out', out]
    return main(['batch', str(folder), *map(str, [*paths, *arguments])])


def read_tree(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def make_deadly(folder: Path) -> list[str]:
    """Write a small model that ends the first worker process by ``died``."""
    content = INSTANCE_CONFIG + DEADLY.format(flag=folder / 'died')
    return make_model(folder, content)
