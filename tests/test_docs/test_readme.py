# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The commands and the Python example of the README work."""

import re
import shlex
import subprocess

from projects.maxtron.weights import find_weights
from projects.maxtron_cli import make_parser

import pytest

from tests.models import ROOT
from tests.scripts import run_script

PAGE = (ROOT / 'README.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```', PAGE, re.M | re.S)
COMMANDS = [
    line.split('  #')[0].strip()
    for language, block in BLOCKS
    if language == 'shell'
    for line in block.splitlines()
]


def of(*programs):
    """Commands of some programs, in words."""
    words = [shlex.split(command) for command in COMMANDS]
    return [command for command in words if command[0] in programs]


@pytest.mark.parametrize('command', of('make'), ids=' '.join)
def test_make_knows_the_target(command, tmp_path):
    arguments = [word.replace('film.mp4', 'README.md') for word in command]
    result = subprocess.run(
        [*arguments, '-n'], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    for word in command:
        if word.startswith('MODEL='):
            assert find_weights(word.removeprefix('MODEL=')).config


@pytest.mark.parametrize('command', of('python'), ids=' '.join)
def test_script_takes_the_options(command):
    text = run_script(command[1], '--help')
    for word in command[2:]:
        if word.startswith('--'):
            assert re.search(rf'{word}\b', text), word


@pytest.mark.parametrize('command', of('maxtron'), ids=' '.join)
def test_console_command_takes_the_options(command):
    args = make_parser(command[1]).parse_args(command[1:])
    assert find_weights(args.model).config


def test_python_example(tmp_path, monkeypatch, capsys):
    (code,) = (block for language, block in BLOCKS if language == 'python')
    monkeypatch.chdir(tmp_path)
    video = ['--video-out', 'data/held-out.mp4', '--video-frames', 12]
    run_script('tools/dataset_converters/make_synthetic.py', *video)
    exec(code, {})
    printed = re.findall(r'^(\d+) tensor', capsys.readouterr().out, re.M)
    assert printed == list(map(str, range(12)))
