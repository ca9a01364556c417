# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest

from tests.models import ROOT
from tests.scripts import run_fork

(CONFIG,) = (ROOT / 'configs/maxtron/synthetic').glob(
    '*nearonline_video-kmax_tiny*_synthetic-vps.py'
)


@pytest.mark.slow
def test_step_of_the_tiny_config(tmp_path):
    path = tmp_path / 'step.json'
    result = run_fork(
        'tools/benchmarks/benchmark_train_step.py',
        tmp_path,
        CONFIG,
        f'--json={path}',
        '--batch-size=2',
        '--frames=2',
        '--segments=40',
        '--steps=2',
        '--threads=1',
    )
    assert result.returncode == 0, result.stderr
    content = json.loads(path.read_text())
    parts = ['forward and losses', 'backward', 'optimizer']
    assert list(content['seconds']) == list(content['cpu_seconds']) == parts
    assert all(value > 0 for value in content['seconds'].values())
    assert content['peak_memory'] > content['memory_of_model'] > 0
    kinds = ('loss_cls', 'loss_mask', 'loss_dice', 'loss_pixel')
    assert content['losses'].keys() == {
        'loss',
        'loss_semantic',
        *kinds,
        *(f'd{layer}.{kind}' for layer in range(3) for kind in kinds),
    }
    assert content['losses']['loss'] == pytest.approx(
        sum(v for k, v in content['losses'].items() if k != 'loss'), rel=1e-5
    )
    rows = [
        line.split('|')
        for line in result.stdout.splitlines()
        if line.startswith('|')
    ]
    assert [row[1].strip() for row in rows[2:]] == [*parts, 'whole step']
    assert 'paramwise_options' not in result.stdout + result.stderr
