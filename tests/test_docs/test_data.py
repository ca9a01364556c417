# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""docs/data.md, followed to the letter with tiny downloads."""

import io
import re
import shlex
from contextlib import redirect_stdout

import pytest

from tests.models import ROOT
from tests.test_tools.tiny_downloads import DOWNLOADS
from tools.dataset_converters import make_synthetic, prepare_dataset
from tools.misc import browse_dataset, check_dataset

pytestmark = pytest.mark.slow

PAGE = (ROOT / 'docs/data.md').read_text()
# the tools, and additional arguments of their commands
TOOLS = {
    'tools/dataset_converters/make_synthetic.py':
    (make_synthetic, ['--nproc=1', '--num-train=1', '--num-val=1',
                      '--frames', '12', '12']),
    'tools/dataset_converters/prepare_dataset.py':
    (prepare_dataset, ['--nproc=1']),
    'tools/misc/check_dataset.py': (check_dataset, ['--nproc=1']),
    'tools/misc/browse_dataset.py': (browse_dataset, [])
}  # yapf: disable


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    """The folder of the commands, and their output."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    for name, download in DOWNLOADS.items():
        download(folder / 'downloads' / name.replace('coco_', 'coco/'))
    outputs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r'^```shell\n(.*?)^```', PAGE, re.M | re.S):
            for command in block.splitlines():
                _, script, *args = shlex.split(command)
                tool, more = TOOLS[script]
                with redirect_stdout(io.StringIO()) as out:
                    tool.main([*args, *more])
                outputs[command] = out.getvalue()
    return folder, outputs


def test_every_dataset_is_prepared_and_found_right(followed):
    outputs = followed[1]
    prepared = [c.split()[2] for c in outputs if 'prepare_dataset' in c]
    assert sorted(prepared) == sorted(DOWNLOADS)
    for command, output in outputs.items():
        if 'prepare_dataset' in command or 'check_dataset' in command:
            assert output.endswith('No errors.\n'), command
    checked = {c.split()[2] for c in outputs if 'check_dataset' in c}
    assert len(checked) == 13


def test_trees_are_what_there_is(followed):
    """Every path of the trees exists, with real names for placeholders."""
    trees = re.findall(r'\n\n((?:    .*\n)+)', PAGE)
    assert len(trees) == 10
    for tree in trees:
        folders = []
        for line in tree.splitlines():
            depth = (len(line) - len(line.lstrip())) // 2 - 2
            names = re.split(r' {2,}', line.strip())[0].split(', ')
            for name in names:
                path = '/'.join([*folders[:depth], name.rstrip('/')])
                pattern = re.sub(r'VIDEO|FRAME|\d{5,}', '*', path)
                if name != 'test.txt':
                    assert list(followed[0].glob(pattern)), path
            folders[depth:] = [names[0].rstrip('/')]


def test_clips_are_drawn(followed):
    drawn = list((followed[0] / 'work_dirs/browse').rglob('*.jpg'))
    assert {path.parent.name for path in drawn} == {'landscape', 'portrait'}
