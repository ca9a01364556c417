# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import subprocess
import sys

import pytest

from tests.models import ROOT
from tools.benchmarks.benchmark_panoptic_merge import (
    CASES,
    format_row,
    header,
    literal_size,
    main,
)


def test_table_and_json(tmp_path):
    path = tmp_path / 'times.json'
    script = ROOT / 'tools/benchmarks/benchmark_panoptic_merge.py'
    result = subprocess.run(
        [
            sys.executable,
            script,
            '--num-queries=12',
            '--num-segments=6',
            '--seconds=0.01',
            '--threads=1',
            '--cases=T=1 ',
            f'--json={path}',
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert 'T=1 1080x1920' in result.stdout
    content = json.loads(path.read_text())
    (row,) = content['rows']
    assert content['num_queries'] == 12
    assert row['unexplained'] == 0 and row['ties'] < 500
    assert row['segments'] == 6
    assert row['time_ratio'] == row['literal_s'] / row['ours_s'] > 0
    # the resized logits of all queries, which only one of them has
    assert row['literal_mib'] > 12 * 1080 * 1920 * 4 / 2**20
    assert 0 < row['ours_mib'] < row['literal_mib']


def test_the_literal_form_of_48_frames_does_not_fit():
    sizes = {
        case.num_frames: literal_size(case, 128) / 2**30 for case in CASES
    }
    assert sizes[1] < sizes[4] < 8 and sizes[48] > 90
    row = format_row(dict(case='a', ours_s=1, ours_mib=2))
    assert row.split() == 'a - 1.00 - - 2 - - - - -'.split()
    assert len(row) == len(header()[1])


def test_unknown_case():
    with pytest.raises(SystemExit, match='No case contains "T=5"'):
        main(['--cases=T=5'])
