# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The checkpoint in the repository has the AP that the README states."""
import json
import os
import re
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from tests.models import ROOT, build

CONFIG = next(
    (ROOT / 'configs/maxtron/synthetic').glob('*_tube-link_tiny_*.py'))
CHECKPOINT = ROOT / 'demo/maxtron_tiny.pth'
METRICS = ('mAP', 'mAP_50', 'mAP_75', 'AR@1', 'AR@10')


def stated(row):
    """A row of the table of the README."""
    line = re.search(rf'^\| {row} \|(.*)\|$',
                     (ROOT / 'README.md').read_text(), re.MULTILINE)
    return [float(value) for value in line[1].split('|')]


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthetic')
    subprocess.run([
        sys.executable, ROOT / 'tools/dataset_converters/make_synthetic.py',
        folder, '--size', 'demo', '--splits', 'val', '--formats',
        'youtube-vis'
    ], check=True)  # yapf: disable
    return f'{folder}/youtube-vis/'


def evaluate(checkpoint, data_root, work_dir):
    """AP etc. by the command of the README."""
    subprocess.run([
        sys.executable, ROOT / 'tools/test.py', CONFIG, checkpoint,
        '--work-dir', work_dir, '--cfg-options',
        f'test_dataloader.dataset.data_root={data_root}'
    ], check=True, env=dict(os.environ, OMP_NUM_THREADS='2'))  # yapf: disable
    result, = work_dir.glob('*/*.json')
    result = json.loads(result.read_text())
    return [result[f'youtube_vis/segm_{name}'] for name in METRICS]


def test_shipped_checkpoint_has_the_stated_ap(data_root, tmp_path):
    assert CHECKPOINT.stat().st_size < 8e6
    # rounding may flip a pixel or a match on another processor
    assert evaluate(CHECKPOINT, data_root, tmp_path) == pytest.approx(
        stated('shipped'), abs=0.01)


def test_random_weights_do_not(data_root, tmp_path):
    torch.manual_seed(0)
    model = build(Config.fromfile(CONFIG).model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'random.pth')
    ap = evaluate(tmp_path / 'random.pth', data_root, tmp_path / 'test')
    assert ap == pytest.approx(stated('random'), abs=0.002)
    assert ap[0] < 0.1 * stated('shipped')[0]
