# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Execution of the commands of a page of ``docs``, with short trainings."""

import io
import json
import re
import shlex
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.scripts import run_script

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r'(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)```', re.DOTALL)
MAX_ITERS = 2
# Additional arguments of the commands, by the name of the tool.
_OPTIONS = {
    'train.py': [
        '--cfg-options',
        f'train_cfg.max_iters={MAX_ITERS}',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=1',
        'param_scheduler=None',
    ],
    'vipseg_to_720p.py': ['--nproc', '1'],
    'check_dataset.py': ['--nproc', '1'],
    'video_demo.py': ['--device', 'cpu'],
}


class Block(NamedTuple):
    """A block of code.

    Attributes:
        label (str): Text of the comment above it, or ''.
        language (str): Language of the block.
        text (str): The code.
    """

    label: str
    language: str
    text: str


def read_page(name: str) -> list[Block]:
    """Read the blocks of code of a page."""
    text = (ROOT / 'docs' / name).read_text()
    return [Block(*found) for found in _BLOCK.findall(text)]


def read_json(blocks: Sequence[Block]) -> list:
    """Parse the JSON blocks."""
    return [json.loads(b.text) for b in blocks if b.language == 'json']


def assert_shows_files(blocks: Sequence[Block], *files: str) -> None:
    """Check that a page shows the exact content of files."""
    shown = {b.label: b.text for b in blocks if b.label in files}
    assert shown == {file: (ROOT / file).read_text() for file in files}


def workplace(folder: Path) -> Path:
    """Copy the tracked files of the repository to a folder."""
    for name in ('demo', 'docs', 'projects', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'configs').mkdir()
    for path in (ROOT / 'configs').iterdir():
        (folder / 'configs' / path.name).symlink_to(path)
    return folder


def follow(
    blocks: Sequence[Block],
    folder: Path,
    options: dict[str, list] | None = None,
) -> dict[str, str]:
    """Run the commands and the Python code of a page, in order.

    All run in this process, so that libraries are loaded once.

    Args:
        blocks (Sequence[Block]): Blocks of a page.
        folder (Path): Folder made by :func:`workplace`.
        options (dict[str, list], optional): Arguments to add to a command.

    Returns:
        dict[str, str]: Output of each command, and of 'python'.
    """
    outputs, num_threads = {}, torch.get_num_threads()
    torch.set_num_threads(1)  # small tensors: more only wait for each other
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks:
            # short trainings end with other numbers
            text = re.sub(r'iter_\d+', f'iter_{MAX_ITERS}', block.text)
            if block.language == 'shell':
                for command in text.splitlines():
                    more = (options or {}).get(command, [])
                    outputs[command] = _run(command, more)
            elif block.language == 'python' and not block.label:
                with redirect_stdout(io.StringIO()) as out:
                    exec(compile(text, 'page', 'exec'), {})
                outputs['python'] = out.getvalue()
    torch.set_num_threads(num_threads)
    return outputs


def _run(command: str, more: list) -> str:
    """Run one command and return its output."""
    python, script, *arguments = shlex.split(command)
    assert python == 'python'
    arguments += [*_OPTIONS.get(Path(script).name, []), *more]
    return run_script(script, *arguments)
