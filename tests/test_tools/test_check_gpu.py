# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The check of a GPU, on the CPU in small sizes."""

import io
import json
from argparse import Namespace
from importlib import import_module

import pytest
import torch

from tests import processes  # noqa: F401, loads the libraries for the parts
from tools.misc.check_gpu import main
from tools.misc.gpu_checks import PARTS, Part
from tools.misc.gpu_checks.checker import Checker
from tools.misc.gpu_checks.process import PartProcess
from tools.misc.gpu_checks.report import failures

OPTIONS = dict(
    device='cpu', threads=1, small=True, plant_mismatch=False, minutes=8
)


@pytest.mark.parametrize(
    'name, planted', [('postprocess', False), ('deformable', True)]
)
def test_part(name, planted):
    stream = io.StringIO()
    run = import_module(f'tools.misc.gpu_checks.{name}').run
    run(Checker(stream, 'cpu', small=True, planted=planted))
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(rows) > 3 and sum('bound' in row for row in rows) >= 2
    for row in rows:
        assert row['ok'] == (not planted or 'bound' not in row), row


def test_each_part_has_a_module():
    for part in PARTS:
        module = import_module(f'tools.misc.gpu_checks.{part.name}')
        assert callable(module.run)


def test_a_mismatch_is_named(tmp_path, capsys):
    args = '--device cpu --small --threads 1 --only environment'.split()
    main([*args, f'--out={tmp_path}'])
    assert capsys.readouterr().out.splitlines()[0].endswith('rows, ok')
    (part,) = json.loads((tmp_path / 'check_gpu.json').read_text())['parts']
    assert not failures(part) and len(part['rows']) > 8
    with pytest.raises(SystemExit) as end:
        main([*args, f'--out={tmp_path}', '--plant-mismatch'])
    assert end.value.code == 1
    assert 'FAILED: product of 256 x 256, float32;' in capsys.readouterr().out
    text = (tmp_path / 'check_gpu.md').read_text()
    assert '| product of 256 x 256, float32 | **failed** |' in text


def test_parts_after_one_that_failed(tmp_path, capsys):
    args = '--device cpu --small --minutes 0 --only environment distributed'
    with pytest.raises(SystemExit):
        main([*args.split(), f'--out={tmp_path}'])
    lines = capsys.readouterr().out.splitlines()
    for name, line in zip(('environment', 'distributed'), lines):
        assert line.startswith(name) and 'FAILED: not run: 0 min' in line


def test_a_part_that_fails_or_hangs():
    broken = PartProcess(Part('broken', 9, ''), Namespace(**OPTIONS)).run(60)
    assert broken['error'] == 'ended by an error'
    assert "No module named 'tools.misc.gpu_checks.broken'" in broken['log']
    slow = PartProcess(PARTS[0], Namespace(**OPTIONS)).run(0.01)
    assert slow['error'] == failures(slow)[-1] == 'not finished after 0 s'


def test_an_error_is_a_row():
    stream = io.StringIO()
    check = Checker(stream, 'cpu')
    with check.guard('first'):
        torch.zeros(2) @ torch.zeros(3)
    check.compare('second', torch.tensor([float('nan')]), torch.ones(1), 1e9)
    check.compare_labels('third', torch.ones(3), torch.ones(2), 0.5)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row['ok'] for row in rows] == [False] * 3
    assert rows[0]['error'].startswith('RuntimeError: ')
