# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.models import ROOT
from tests.scripts import run_fork

SCRIPT = 'tools/benchmarks/benchmark_video_training.py'


@pytest.mark.slow
def test_both_ways_compute_the_same(tmp_path):
    path = tmp_path / 'result.json'
    options = ('--clips', 1, 4, '--truncate', 2, '--json', path)
    result = run_fork(SCRIPT, tmp_path, *options)
    assert result.returncode == 0, result.stderr
    rows = json.loads(path.read_text())['rows']
    assert [(row['clips'], row['way']) for row in rows] == [
        (clips, way)
        for clips in (1, 4)
        for way in ('two passes', 'plain autograd')
    ]
    for ours, plain in (rows[:2], rows[2:]):
        assert ours['loss'] == pytest.approx(plain['loss'], rel=1e-6)
        assert ours['cpu_seconds'] > 0 and ours['seconds'] > 0
    growth = [rows[i + 2]['added_mib'] - rows[i]['added_mib'] for i in (0, 1)]
    # measured: 11 and 135 MiB
    assert growth[0] < growth[1] / 3
    table = [line for line in result.stdout.splitlines() if line[:1] == '|']
    assert len(table) == 2 + len(rows)
    assert '4 clips: plain autograd takes' in result.stdout
    assert 'gradients cut every 2 clip(s)' in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, message',
    [
        ('maxtron-offline_video-kmax_tiny', 'does not train end to end'),
        ('maxtron-offline_tube-link_tiny', 'is not panoptic'),
    ],
)
def test_config_that_is_not_trained_end_to_end(config, message, tmp_path):
    path = ROOT / f'configs/_base_/models/{config}.py'
    result = run_fork(SCRIPT, tmp_path, path)
    assert result.returncode == 1
    assert message in result.stderr
