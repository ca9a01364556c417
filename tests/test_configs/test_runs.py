# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training and test of both segmenters in all modes, for both tasks."""

import re
from itertools import product

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from tests.configs import MASK2FORMER, ZOO
from tests.shrinking import shrink, write_miniatures

pytestmark = pytest.mark.slow

BACKBONES = ('r50', 'swin-l', 'convnext-l', 'convnextv2-l')
SEGMENTERS = ('video-kmax', 'tube-link')
DATASETS = ('vipseg', 'ovis')
METRICS = dict(
    vipseg='vps/VPQ',
    vspw='vss/mIoU',
    **{'kitti-step': 'vps/STQ', 'cityscapes-vps': 'vps/VPQ_1'},
    **{'lv-vis': 'youtube_vis/segm_mAP_novel'},
    ovis='youtube_vis/segm_mAP',
    coco='coco_panoptic/PQ',
)
# One on a frozen transformer for each segmenter
FROZEN = [
    ('video-kmax', 'dinov2-b', 'vipseg'),
    ('tube-link', 'dinov3-l', 'ovis'),
]
# A model without tracking, of clips or of images; one for other datasets.
PLAIN = [
    *product(SEGMENTERS, BACKBONES, DATASETS),
    ('maxtron-nearonline_video-kmax', 'r50', 'vspw'),
    ('maxtron-nearonline_video-kmax', 'r50', 'kitti-step'),
    ('maxtron-nearonline_video-kmax', 'r50', 'cityscapes-vps'),
    ('maxtron-nearonline_tube-link', 'r50', 'lv-vis'),
    *product(('kmax', 'kmax-msda'), BACKBONES, ('coco-panoptic',)),
]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_miniatures(tmp_path_factory.mktemp('data'))


def find(name, backbone, dataset):
    """Find a config of the matrix."""
    (path,) = (
        path
        for path in ZOO
        if re.search(rf'/{name}_{backbone}_\d+xb\d-\d+k_{dataset}\.py', path)
    )
    return path


class StartHook(Hook):
    """Hook that remembers the initial weights of the training."""

    def before_train(self, runner):
        state = runner.model.state_dict()
        self.weights = {key: value.clone() for key, value in state.items()}


def run(cfg):
    """Train and evaluate; return the names of the changed weights."""
    # only weights are read again; a state of the optimizer takes a second
    cfg.default_hooks.checkpoint.save_optimizer = False
    runner, start = Runner.from_cfg(cfg), StartHook()
    runner.register_hook(start)
    runner.train()

    scalars = runner.message_hub.log_scalars
    losses = [k for k in scalars if k.startswith('train/') and 'loss' in k]
    assert len(losses) > 2
    for name in losses:
        assert 0 < scalars[name].current() < float('inf'), name
    if cfg.val_cfg:
        (metric,) = (v for k, v in METRICS.items() if f'_{k}' in cfg.filename)
        assert f'val/{metric}' in scalars  # its values: test_offline_test.py
    return runner.model, {
        key
        for key, value in runner.model.state_dict().items()
        if not torch.equal(value, start.weights[key])
    }


@pytest.mark.parametrize('setting', PLAIN, ids='-'.join)
def test_trains_a_step_and_evaluates(setting, data, tmp_path):
    _, moved = run(shrink(find(*setting), data, tmp_path))
    for part in ('backbone.', 'head.segmenter.'):
        assert any(key.startswith(part) for key in moved)


@pytest.mark.parametrize(
    'setting',
    [*product(SEGMENTERS, BACKBONES, DATASETS), *FROZEN],
    ids='-'.join,
)
def test_both_stages(setting, data, tmp_path):
    """Train near-online, and offline from the resulting checkpoint."""
    near, offline = (
        shrink(
            find(f'maxtron-{mode}_{setting[0]}', *setting[1:]),
            data,
            tmp_path / mode,
        )
        for mode in ('nearonline', 'offline')
    )
    _, moved = run(near)
    for part in ('backbone.', 'head.segmenter.', 'temporal_layers.'):
        assert any(part in key for key in moved)
    if setting in FROZEN:
        assert not any(key.startswith('backbone.model.') for key in moved)

    offline.load_from = str(tmp_path / 'nearonline/iter_1.pth')
    model, moved = run(offline)
    assert any(key.startswith('head.tracker.') for key in moved)
    shared = tuple(
        f'head.segmenter.{name}.'
        for name in model.head.segmenter.shared_with_tracker
    )
    assert not [
        key
        for key in moved
        if key.startswith(model.frozen_parts) and not key.startswith(shared)
    ]


def test_image_model_of_mask2former_trains_a_step(data, tmp_path):
    (path,) = (path for path in MASK2FORMER if 'convnextv2-l' in path)
    cfg = shrink(path, data, tmp_path)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None  # MMDet's own
    _, moved = run(cfg)
    assert any(key.endswith('grn.gamma') for key in moved)
