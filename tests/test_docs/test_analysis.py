# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The commands of docs/analysis.md name existing files and options."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.models import ROOT

PAGE = (ROOT / 'docs/analysis.md').read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r'^```shell\n(.*?)^```', PAGE, re.M | re.S)
    for line in block.splitlines()
    if line.startswith('python')
]
# where tools have arguments that are not in their own file
SHARED = (
    ROOT / 'projects/maxtron/engine/cli.py',
    ROOT / 'projects/maxtron/evaluation/panoptic_cli.py',
    Path(find_spec('mmdet').origin).with_name('.mim')
    / 'tools/analysis_tools/analyze_logs.py',
)


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_command(command):
    tool = ROOT / command[1]
    code = '\n'.join(path.read_text() for path in (tool, *SHARED))
    for word in command[2:]:
        if word.startswith('--'):
            assert f"'{word}'" in code, word
        elif word.startswith(('configs/', 'demo/')):
            assert (ROOT / word).is_file(), word


def test_every_tool_has_a_command():
    """The page covers all tools of the folder that can be run."""
    tools = {
        path.name
        for path in (ROOT / 'tools/analysis_tools').glob('*.py')
        if "__name__ == '__main__'" in path.read_text()
    }
    assert tools == {
        Path(command[1]).name
        for command in COMMANDS
        if '/analysis_tools/' in command[1]
    }


def test_table_is_of_configs():
    names = re.findall(r'^\| `(\S+)`', PAGE, re.M)
    assert len(names) == 7
    for name in names:
        assert list((ROOT / 'configs').rglob(f'{name}.py')), name
