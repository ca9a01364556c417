# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENDS = (SystemExit, TypeError, ValueError, FileNotFoundError)


@pytest.fixture
def run_here(monkeypatch, tmp_path, capsys):
    """Run a tool in this process; return what it ends with."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)

    def start(command, *arguments):
        script = str(ROOT / 'tools' / command)
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        with pytest.raises(ENDS) as end:
            runpy.run_path(script, run_name='__main__')
        return end.value, capsys.readouterr().err

    return start
