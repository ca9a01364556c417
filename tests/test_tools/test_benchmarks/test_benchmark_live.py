# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The benchmark of live video counts all frames of the camera."""

import json

import pytest

from tests.scripts import run_script


@pytest.mark.slow
def test_frames_are_shown_or_dropped(tmp_path):
    out = run_script(
        'tools/benchmarks/benchmark_live.py',
        *('--size', 48, 64, '--camera-fps', 100, '--model-fps', 20),
        *('--seconds', 1, '--period', 0.5, '--json', tmp_path / 'live.json'),
    )
    rows = json.loads((tmp_path / 'live.json').read_text())['rows']
    assert [row['seconds'] for row in rows] == sorted(
        row['seconds'] for row in rows
    )
    last = rows[-1]
    assert (
        0 < last['dropped']
        and last['frames'] + last['dropped'] <= (last['read'])
    )
    assert 0 < last['median'] <= last['percentile'] <= last['max']
    assert last['memory'] > 100
    assert out.count('\n') > len(rows)
