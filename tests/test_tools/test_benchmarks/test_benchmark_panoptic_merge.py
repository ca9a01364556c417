# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.scripts import run_fork
from tools.benchmarks.benchmark_panoptic_merge import (
    CASES,
    TABLE,
    main,
    naive_size,
)


@pytest.mark.slow
def test_table_and_json(tmp_path):
    path = tmp_path / 'times.json'
    result = run_fork(
        'tools/benchmarks/benchmark_panoptic_merge.py',
        tmp_path,
        '--num-queries=12',
        '--num-segments=6',
        '--seconds=0.01',
        '--threads=1',
        '--cases=T=1 ',
        f'--json={path}',
    )
    assert result.returncode == 0, result.stderr
    assert 'T=1 1080x1920' in result.stdout
    content = json.loads(path.read_text())
    (row,) = content['rows']
    assert content['num_queries'] == 12
    assert row['unexplained'] == 0 and row['ties'] < 500
    assert row['segments'] == 6
    # the resized logits of all queries, which only the naive form has
    assert row['naive_mib'] > 12 * 1080 * 1920 * 4 / 2**20
    assert 0 < row['ours_mib'] < row['naive_mib']
    assert result.stdout == f'{TABLE.header()}\n{TABLE.row(row)}\n'


def test_the_naive_form_of_48_frames_does_not_fit():
    sizes = {case.num_frames: naive_size(case, 128) / 2**30 for case in CASES}
    assert sizes[1] < sizes[4] < 8 and sizes[48] > 90


def test_unknown_case():
    with pytest.raises(SystemExit, match='No case contains "T=5"'):
        main(['--cases=T=5'])
