# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tools.benchmarks.benchmark_vpq import main as benchmark
from tools.benchmarks.benchmark_vpq import (
    naive_vpq,
    our_vpq,
    parse_args,
    write_videos,
)

SMALL = [
    '--videos=2',
    '--frames=7',
    '--height=90',
    '--width=160',
    '--segments=20',
]


def test_table_and_json(tmp_path, capsys):
    path = tmp_path / 'times.json'
    benchmark([*SMALL, f'--json={path}'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('2 videos x 7 frames, 90 x 160, 20 segments')
    assert lines[1].split()[0] == 'windows' and set(lines[2]) == {'-'}
    content = json.loads(path.read_text())
    assert content['segments'] == 20
    rows = content['rows']
    assert [row['windows'] for row in rows] == [
        [1],
        [2],
        [4],
        [6],
        [1, 2, 4, 6],
    ]
    for row, line in zip(rows, lines[3:], strict=True):
        assert row['difference'] < 1e-9
        values = [float(text) for text in line.split()[len(row['windows']) :]]
        keys = ('naive_s', 'ours_s', 'ratio')
        assert values[:3] == pytest.approx([row[k] for k in keys], abs=0.05)


def test_data_is_worth_measuring(tmp_path):
    write_videos(str(tmp_path), parse_args(SMALL))
    ours = our_vpq(str(tmp_path), [1, 6])
    for k, windows in ((1, 14), (6, 4)):
        naive = naive_vpq(str(tmp_path), k)
        sums = {
            key: sum(stat[key] for stat in naive.values())
            for key in ('tp', 'fp', 'fn')
        }
        assert ours[k].num_windows == windows
        assert sums['tp'] > 4 * windows
        assert min(sums['fp'], sums['fn']) > windows
