# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""tools/test.py on offline configs, with and without a feature cache."""

import json
import pickle

import pytest
from mmengine.config import Config

from tests.footage import write_checkpoint
from tests.models import ROOT
from tests.test_tools.test_train_test import run

# config, format, folder below the data, metric
KINDS = {
    'instances': (
        'tube-link',
        'youtube-vis',
        'youtube-vis/',
        'youtube_vis/segm_mAP',
    ),
    'panoptic': ('video-kmax', 'vipseg', 'vipseg/VIPSeg_720P/', 'vps/VPQ'),
}
# that let random weights find something
FOUND = ('thing_thr=0', 'stuff_thr=0', 'overlap_thr=0.1')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthetic')
    result = run(
        'dataset_converters/make_synthetic.py',
        folder,
        folder,
        '--splits',
        'val',
        '--formats',
        'youtube-vis',
        'vipseg',
        '--num-val',
        2,
        '--frames',
        13,
        13,
        '--nproc',
        1,
    )
    assert result.returncode == 0, result.stderr
    return folder


def found(samples):
    """Results of all frames, in a form that can be compared."""
    for frame in (
        frame for sample in samples for frame in sample['video_data_samples']
    ):
        if 'pred_panoptic_map' in frame:
            yield frame.pred_panoptic_map.decode().tolist()
        else:
            instances = frame.pred_track_instances
            yield instances.scores.tolist(), instances.masks


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_offline_config(kind, data_root, tmp_path):
    segmenter, _, folder, metric = KINDS[kind]
    (config,) = (ROOT / 'configs/maxtron/synthetic').glob(
        f'maxtron-offline_{segmenter}_tiny_*_synthetic-v?s.py'
    )
    checkpoint = write_checkpoint(
        tmp_path / 'random.pth', Config.fromfile(config).model
    )
    options = [f'test_dataloader.dataset.data_root={data_root / folder}/']
    if kind == 'panoptic':
        options += [f'model.head.test_cfg.{option}' for option in FOUND]
    results = {}
    for cache in ('device', 'none'):
        out = tmp_path / f'{cache}.pkl'
        result = run(
            'test.py',
            tmp_path,
            config,
            checkpoint,
            '--out',
            out,
            '--work-dir',
            tmp_path / cache,
            '--cfg-options',
            *options,
            f'model.head.test_cfg.feature_cache={cache}',
        )
        assert result.returncode == 0, result.stderr
        (scores,) = (tmp_path / cache).glob('*/*.json')
        assert 0 <= json.loads(scores.read_text())[metric] <= 100
        results[cache] = list(found(pickle.loads(out.read_bytes())))
    assert len(results['none']) == 26
    assert results['none'] == results['device']
    assert results['none'][0] != results['none'][12]
