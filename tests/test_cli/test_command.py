# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The console command and its sub-commands."""

import subprocess
import sys

from projects.maxtron.version import __version__
from projects.maxtron_cli import COMMANDS, main

import pytest

from tests.models import ROOT

# Imports the entry as the console script does.
START = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from projects.maxtron_cli import main
try:
    main()
finally:
    loaded = sys.modules.keys() & {'torch', 'mmengine', 'projects.maxtron'}
    assert not loaded, loaded
"""


def test_help_loads_no_library():
    result = subprocess.run(
        [sys.executable, '-I', '-S', '-c', START, ROOT, '--help'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    for name, text in COMMANDS.items():
        assert f'    {name} ' in result.stdout
        assert text.split()[0] in result.stdout


@pytest.mark.parametrize('name', COMMANDS)
def test_help_of_sub_commands(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, '--help'])
    assert end.value.code == 0
    assert f'usage: maxtron {name} ' in capsys.readouterr().out


def test_version_and_wrong_commands(capsys):
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out.strip() == __version__
    for argv in ([], ['paint']):
        with pytest.raises(SystemExit) as end:
            main(argv)
        assert end.value.code == 2
        assert 'COMMAND' in capsys.readouterr().err


def test_models_download_and_check(capsys):
    assert main(['models', '--task', 'VIS']) is None
    assert 'maxtron-nearonline_tube-link_r50_ovis' in capsys.readouterr().out
    assert main(['download', 'maxtron_tiny']) == 0
    assert 'demo/maxtron_tiny.pth (4.2 MB)' in capsys.readouterr().out
    assert main(['check']) == 0
    assert 'All is well.' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='^error: VOS is not a task'):
        main(['models', '--task', 'VOS'])
