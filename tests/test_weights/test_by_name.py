# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""From the name of released weights to masks and to measured values.

The registry, the formats of the files and the names of the weights are the
real ones. The models are narrow and have random weights, and the datasets are
miniatures. Other tests have the shapes of the real weights.
"""

import io
import json
import os
import re
from typing import NamedTuple

from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.engine.pretrained_parts import check_pretrained_parts
from projects.maxtron.weights import (
    cache_folder,
    cached_path,
    find_weights,
    registry,
    resolve,
)

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from tests.foreign_checkpoints import to_reference, write_pickle
from tests.models import ROOT
from tests.scripts import run_script
from tests.shrinking import shrink, write_miniatures
from tests.test_datasets.tiny_coco import LABELS, TRUTH
from tests.test_datasets.tiny_panoptic import WALL

pytestmark = pytest.mark.slow


class Kind(NamedTuple):
    """Weights of a code base.

    Attributes:
        keys (str): List of the reference's names, or the head of
            MMDetection's model.
        metric (str): Published metric.
        score (str): Name of the metric in the log of the test.
        label (int): Class that fills more than half of a true frame, if any.
        replace (tuple[str, str]): Change of the names.
    """

    keys: str
    metric: str
    score: str
    label: int | None = None
    replace: tuple[str, str] = ('', '')


VPQ = 'VPQ', 'vps/VPQ', WALL
AP = 'AP', 'youtube_vis/segm_mAP'
PQ = 'PQ', 'coco_panoptic/PQ', LABELS['s']
KINDS = {
    'maxtron-nearonline_video-kmax_r50_vipseg': Kind(
        'vps/keys/maxtron_wc_r50', *VPQ
    ),
    'maxtron-offline_video-kmax_r50_vipseg': Kind(
        'vps/keys/maxtron_cc_r50', *VPQ
    ),
    'maxtron-nearonline_tube-link_r50_youtube-vis-2021': Kind(
        'vis/keys_near_online_r50_ytvis21', *AP
    ),
    'maxtron-offline_tube-link_r50_ovis': Kind('vis/keys_cc_r50_ovis', *AP),
    'kmax-deeplab_r50_coco-panoptic': Kind('vps/keys/kmax_r50', *PQ),
    # with the other spelling of the two
    'kmax-msda_r50_coco-panoptic': Kind(
        'vps/keys/kmax_wc_r50', *PQ, ('_predcitor', '_predictor')
    ),
    'mask2former_r50_coco-panoptic': Kind('panoptic_head.', *PQ),
    'mask2former_r50_coco': Kind('panoptic_head.', 'mask AP', 'coco/segm_mAP'),
    'mask2former_r50_youtube-vis-2021': Kind('track_head.', *AP),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    sky = [truth.replace('g', 's') for truth in TRUTH]
    return write_miniatures(tmp_path_factory.mktemp('data'), sky)


@pytest.fixture
def narrow(tmp_path, data, monkeypatch):
    """Let the registry find narrow configs by the names of the real ones.

    The function writes such a config and makes weights for it.
    """
    init_default_scope('mmdet')
    for path in ROOT.glob('configs/*/*.yml'):
        link = tmp_path / path.relative_to(ROOT)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    monkeypatch.setattr(registry, '_ROOTS', (tmp_path,))
    monkeypatch.setattr(os, 'cpu_count', lambda: 1)  # starts no processes

    def write(config):
        cfg = shrink(f'configs/{config}', data, tmp_path / 'run')
        path = tmp_path / 'configs' / config
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '\n'.join(f'{k} = {v!r}' for k, v in cfg.to_dict().items())
        )
        torch.manual_seed(0)
        return path, MODELS.build(cfg.model).state_dict()

    return write


def fill_frames(state, label):
    """Let every query predict one class, and together all pixels."""
    for key, value in state.items():
        if re.search(r'cls_embed(\.conv)?\.bias$', key):
            value[label] = 100
        elif key.endswith('mask_norm.weight'):
            value[:] = 1000
        elif re.search(r'mask_(feature|embed\.4)\.', key):
            value[:] = float(key.endswith('bias'))


def write_file(state, kind):
    """Write weights in the format of a code base."""
    if kind.keys.endswith('.'):
        weights = {
            key.replace('head.segmenter.', kind.keys): value
            for key, value in state.items()
        }
    else:
        weights = to_reference(state, kind.keys)
    weights = {k.replace(*kind.replace): v for k, v in weights.items()}
    entry = 'model' if kind.keys.startswith('vps') else 'state_dict'
    file = io.BytesIO()
    torch.save({entry: weights, 'iteration': 9}, file)
    return file.getvalue()


@pytest.mark.parametrize('name', KINDS)
def test_name_to_masks_and_row(name, narrow, server, tmp_path, monkeypatch):
    kind, entry = KINDS[name], find_weights(name)
    _, state = narrow(entry.config)
    if kind.label is not None:
        fill_frames(state, kind.label)
    if entry.url.startswith('gdrive:'):
        place = cached_path(entry.url).relative_to(cache_folder()).as_posix()
        source = []
        monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files')
    else:
        # The name has the check sum of the real file, so the URL is given.
        place = 'random.pth'
        source = [f'{server.url}/files/{place}']
    server.files = {place: write_file(state, kind)}

    inferencer = MaXTronInferencer(name, *source, device='cpu')
    loaded = inferencer.model.state_dict()
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        assert value.equal(loaded[key]), key
    frames = np.random.default_rng(0).integers(
        0, 256, (2, 32, 48, 3), np.uint8
    )
    results = list(inferencer(list(frames)))
    assert [result.ori_shape for result in results] == [(32, 48)] * 2

    check_row(entry, kind, source, tmp_path / 'work')
    resolve(*source or [name])  # is in the cache
    assert len(server.requests) == 1


def check_row(entry, kind, source, folder):
    """Reproduce the published value, which is the score of a test."""
    options = ['--weights', *source] if source else []
    tool = 'tools/misc/reproduce.py'
    run_script(tool, entry.name, '--work-dir', folder, *options)
    row = json.loads((folder / 'reproduced.json').read_text())
    (log,) = folder.glob('*/*.json')
    score = json.loads(log.read_text().splitlines()[-1])[kind.score]
    percent = score if kind.score.endswith('PQ') else 100 * score
    assert score > 0 or kind.label is None
    assert row['metrics'][kind.metric] == dict(
        published=entry.metrics[kind.metric],
        measured=pytest.approx(percent, abs=1e-3),
    )
    assert row['dataset'] == entry.dataset


def test_training_starts_from_a_file_of_the_reference(narrow, tmp_path):
    """The second stage from weights of the first: they are frozen."""
    name = 'maxtron-{}_tube-link_r50_youtube-vis-2021'
    near = name.format('nearonline')
    _, state = narrow(find_weights(near).config)
    file = tmp_path / 'reference.pth'
    file.write_bytes(write_file(state, KINDS[near]))
    config, _ = narrow(find_weights(name.format('offline')).config)
    run_script(
        'tools/train.py',
        config,
        '--cfg-options',
        f'load_from={file}',
        'train_cfg.val_interval=9',
    )
    trained = torch.load(tmp_path / 'run/iter_1.pth', weights_only=False)
    frozen = ('backbone.', 'neck.', 'head.segmenter.pixel_decoder.')
    for key, value in state.items():
        if key.startswith(frozen):
            assert value.equal(trained['state_dict'][key]), key


# Narrow model, and list of the reference's names; None: those of MMPretrain.
RESNET = dict(type='ResNet', depth=50, base_channels=4, stem_channels=4)
CONVNEXT = dict(
    type='ConvNeXt', arch=dict(depths=[1] * 4, channels=[8, 16, 32, 64])
)
BACKBONES = {
    'detectron2_r50': (RESNET, 'vps/keys/maxtron_wc_r50'),
    'convnext_large_22k_224': (CONVNEXT, 'vps/keys/maxtron_wc_convnext_large'),
    'convnext-large_in21k-pre-3rdparty_in1k-384px': (CONVNEXT, None),
}


@pytest.mark.parametrize('name', BACKBONES)
def test_name_of_a_backbone(name, server, tmp_path, monkeypatch):
    init_default_scope('mmdet')
    (cfg, keys), init_cfg = BACKBONES[name], dict(type='Pretrained')
    torch.manual_seed(0)
    state = MODELS.build(cfg).state_dict()
    weights = {f'backbone.{key}': value for key, value in state.items()}
    path = tmp_path / 'file'
    if keys is None:
        # The name has the check sum of the real file, so the URL is given.
        place = 'random.pth'
        init_cfg['checkpoint'] = f'{server.url}/files/{place}'
        init_cfg['prefix'] = 'backbone.'
        torch.save(dict(state_dict=weights), path)
    else:
        place = find_weights(name).url.removeprefix('https://')
        init_cfg['checkpoint'] = name
        monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files')
        weights = {
            key.removeprefix('backbone.'): value
            for key, value in to_reference(weights, keys).items()
        }
        if place.endswith('.pkl'):
            write_pickle(path, weights)
        else:
            torch.save(dict(model=weights), path)
    server.files = {place: path.read_bytes()}
    model = MODELS.build(dict(cfg, init_cfg=init_cfg))
    check_pretrained_parts(model)
    model.init_weights()
    for key, value in model.state_dict().items():
        assert value.equal(state[key]), key
    assert len(server.requests) == 1
