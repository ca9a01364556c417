# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""tools/test.py on offline configs, with weights that find something.

Those are the shipped near-online weights and a seeded tracker behind them.
"""

import json

import pytest
import torch
from mmengine.config import Config

from tests.models import ROOT, build
from tests.scripts import run_script

pytestmark = pytest.mark.slow

# config, data, weights, metric and its value
KINDS = {
    'instances': (
        'tube-link',
        'youtube-vis/',
        'maxtron_tiny.pth',
        'youtube_vis/segm_mAP',
        0.020127,
    ),
    'panoptic': (
        'video-kmax',
        'vipseg/VIPSeg_720P/',
        'maxtron_tiny_panoptic.pth',
        'vps/VPQ',
        12.28552,
    ),
}


def write_weights(path, model_cfg, near_online):
    """Write the weights of an offline model."""
    torch.manual_seed(0)
    state = build(model_cfg).state_dict()
    source = torch.load(near_online, weights_only=False)['state_dict']
    for key in state:
        # the heads of a tracker begin as copies, as in training
        name = key.replace('tracker_heads', 'segmenter.transformer_decoder')
        if name in source:
            state[key] = source[name].to(state[key].dtype)
    torch.save(dict(state_dict=state), path)


@pytest.mark.parametrize('kind', KINDS)
def test_measures_what_the_tracker_refines(kind, synthetic, tmp_path):
    segmenter, data, weights, metric, value = KINDS[kind]
    (config,) = (ROOT / 'configs/maxtron/synthetic').glob(
        f'maxtron-offline_{segmenter}_tiny_*_synthetic-v?s.py'
    )
    checkpoint = tmp_path / 'offline.pth'
    write_weights(
        checkpoint, Config.fromfile(config).model, ROOT / 'demo' / weights
    )
    run_script(
        'tools/test.py',
        config,
        checkpoint,
        '--work-dir',
        tmp_path / 'out',
        '--cfg-options',
        f'test_dataloader.dataset.data_root={synthetic / data}/',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
        'model.head.test_cfg.feature_cache=none',
    )
    (scores,) = (tmp_path / 'out').glob('*/*.json')
    assert json.loads(scores.read_text())[metric] == pytest.approx(
        value, rel=0.005
    )
