# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

from tools.benchmarks.benchmark_association import CASES, TABLE, main


def test_table_and_json(tmp_path, capsys):
    path = tmp_path / 'times.json'
    main(['--num-queries=5', '--seconds=0', f'--json={path}'])
    rows = json.loads(path.read_text())['rows']
    assert [row['case'] for row in rows] == [case.name for case in CASES]
    assert capsys.readouterr().out == '\n'.join(
        [TABLE.header(), *map(TABLE.row, rows), '']
    )
    for row in rows:
        assert row['ratio'] == row['ours_ms'] / row['paper_ms']
