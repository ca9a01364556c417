# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tools.benchmarks.cli import Column, Table, make_parser, write_json
from tools.benchmarks.comparison import compare


def test_comparison():
    """Times in the unit, memory in MiB, ratios of naive to ours."""
    results = {
        'time': [20, 50],
        'memory of ours': 4,
        'memory of naive': 12,
        'difference': dict(ties=7),
    }
    assert compare(results.get, 's', 1e-3, True) == dict(
        ours_s=0.02,
        naive_s=0.05,
        ours_mib=4,
        naive_mib=12,
        time_ratio=2.5,
        memory_ratio=3,
        ties=7,
    )
    row = compare(results.get, 'ms', 1, False)
    assert row == dict(ours_ms=20, ours_mib=4)


def test_table():
    table = Table(
        [Column('name', 'name', 's'), Column('value', 'value', '.1f')],
        dict(name=6),
    )
    assert table.header() == f'name     value\n{"-" * 14}'
    assert table.row(dict(name='a', value=2.25)) == 'a          2.2'
    assert table.row(dict(name='a')) == 'a            -'


def test_json_has_arguments_and_results(tmp_path):
    path = tmp_path / 'out.json'
    args = make_parser('Title.').parse_args(['--json', str(path)])
    write_json(args, rows=[1])
    content = json.loads(path.read_text())
    assert content['threads'] == 2 and content['rows'] == [1]
    write_json(make_parser('Title.').parse_args([]), rows=[1])
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_arguments(monkeypatch, capsys):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    for argument, text in (
        ('--device=cuda', 'no CUDA device'),
        ('--threads=0', 'must be 1 or more, got 0'),
    ):
        with pytest.raises(SystemExit):
            make_parser('Title.').parse_args([argument])
        assert text in capsys.readouterr().err
