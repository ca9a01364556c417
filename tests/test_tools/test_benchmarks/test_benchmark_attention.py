# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.scripts import run_fork
from tools.benchmarks.benchmark_attention import CASES, TABLE, main, naive_size


@pytest.mark.slow
def test_table_and_json(tmp_path):
    path = tmp_path / 'times.json'
    result = run_fork(
        'tools/benchmarks/benchmark_attention.py',
        tmp_path,
        '--embed-dims=16',
        '--num-heads=2',
        '--seconds=0.01',
        '--threads=1',
        '--cases=K=12',
        f'--json={path}',
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('cross-clip K=12 x 100 queries') == 2
    content = json.loads(path.read_text())
    assert content['embed_dims'] == 16
    assert [row['mode'] for row in content['rows']] == [
        'forward',
        'forward+backward',
    ]
    for row in content['rows']:
        assert row['difference'] < 1e-5
        # the matrix between all tokens alone, which only the naive form has
        assert row['naive_mib'] > 2 * 1200**2 * 4 / 2**20
        assert 0 < row['ours_mib'] < row['naive_mib']
    lines = [TABLE.header(), *map(TABLE.row, content['rows'])]
    assert result.stdout == '\n'.join(lines) + '\n'


def test_the_naive_form_of_200_clips_does_not_fit():
    sizes = {
        case.num_frames: naive_size(case, 256, 8, with_grad=True) / 2**30
        for case in CASES
    }
    assert sizes[50] < 8 < sizes[200]


def test_unknown_case():
    with pytest.raises(SystemExit, match='No case contains "K=13"'):
        main(['--cases=K=13'])
