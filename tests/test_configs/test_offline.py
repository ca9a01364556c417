# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Second stages: initial weights, trained weights and learning rates."""

import json
import re
from functools import cache
from pathlib import Path

from projects.maxtron.engine.checkpoint import load_initial_weights

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from tests.models import ROOT
from tests.parity import DATA
from tools.model_converters.reference_to_maxtron import convert_state_dict

LEAVES = [
    path
    for path in sorted((ROOT / 'configs').glob('**/*.py'))
    if '_base_' not in path.parts
]
SECOND = [path for path in LEAVES if re.search('-(offline|e2e)_', path.name)]
FIRST = {path.stem: path for path in LEAVES}
VIS = 'maxtron-offline_tube-link_{}-10k_{}'
# number of frames, frames of a clip and number of blocks
SETTINGS = {
    ('r50_8xb1', 'youtube-vis-2019'): (9, 3, 4),
    ('r50_8xb1', 'youtube-vis-2021'): (9, 3, 4),
    ('r50_8xb1', 'youtube-vis-2022'): (16, 4, 4),
    ('r50_8xb1', 'ovis'): (24, 4, 6),
    ('swin-l_16xb1', 'youtube-vis-2019'): (24, 6, 4),
    ('swin-l_16xb1', 'youtube-vis-2021'): (24, 6, 4),
    ('swin-l_16xb1', 'youtube-vis-2022'): (36, 6, 4),
    ('swin-l_16xb1', 'ovis'): (16, 4, 4),
}


@cache
def load(path):
    """Load a config, which tests share and must not change."""
    return Config.fromfile(ROOT / 'configs' / path)


def first_stage(cfg):
    """Find the config and the last iteration of the first stage."""
    work_dirs, *folders, file = Path(cfg.load_from).parts
    assert work_dirs == 'work_dirs'
    (name,) = FIRST.keys() & folders
    return load(FIRST[name]), int(re.fullmatch(r'iter_(\d+)\.pth', file)[1])


@pytest.mark.slow
@pytest.mark.parametrize('path', SECOND, ids=lambda path: path.stem)
def test_first_stage_leaves_the_checkpoint(path):
    """The iteration is saved and not deleted before the end."""
    cfg = load(path)
    first, iteration = first_stage(cfg)
    hook, end = first.default_hooks.checkpoint, first.train_cfg.max_iters
    assert iteration <= end
    assert iteration == end or iteration % hook.interval == 0
    assert (end - iteration) / hook.interval < hook.max_keep_ckpts
    # and is a model of the same parts for the same classes
    for key in ('backbone', 'neck', 'data_preprocessor'):
        assert cfg.model.get(key) == first.model.get(key)
    mine, other = (
        dict(x.model.head.segmenter, semantic_head=None, criterion=None)
        for x in (cfg, first)
    )
    assert mine == other
    assert first.model.head.get('tracker') is None


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'maxtron-offline_video-kmax_r50_16xb1-15k_vipseg',
        'maxtron-e2e_video-kmax_r50_16xb1-15k_vipseg',
        'maxtron-offline_tube-link_r50_8xb1-10k_youtube-vis-2022',
        'maxtron-offline_tube-link_swin-l_16xb1-10k_ovis',
    ],
)
def test_first_stage_fills_all_but_the_tracker(name, build_meta):
    cfg = load(FIRST[name])
    model, source = (build_meta(x.model) for x in (cfg, first_stage(cfg)[0]))
    state = source.state_dict()
    load_initial_weights(model, dict(state_dict=state), cfg.load_from)
    left = {
        key
        for key, value in model.state_dict().items()
        if key not in state or state[key].shape != value.shape
    }
    heads = {key for key in left if key.startswith('head.tracker_heads.')}
    assert bool(heads) == ('video-kmax' in name)
    assert all(key.startswith('head.tracker.') for key in left - heads)


@pytest.mark.parametrize('setting', SETTINGS, ids='_'.join)
def test_instance_settings_are_the_released_ones(setting):
    cfg = load(FIRST[VIS.format(*setting)])
    tracker = cfg.model.head.tracker
    assert SETTINGS[setting] == (
        cfg.train_dataloader.dataset.clip_len,
        cfg.model.head.test_cfg.clip_len,
        tracker.num_layers,
    )
    assert tracker.attn_drop == tracker.aspp.drop == 0.1
    assert cfg.param_scheduler[1].milestones == [2500, 7500]


@pytest.mark.parametrize(
    'setting, case',
    [
        (('r50_8xb1', 'youtube-vis-2021'), 'r50_ytvis21'),
        (('r50_8xb1', 'ovis'), 'r50_ovis'),
        (('swin-l_16xb1', 'youtube-vis-2021'), 'swinl_ytvis21'),
    ],
)
def test_instance_head_is_that_of_the_reference(setting, case, build_meta):
    """Compare names, shapes, trained weights and learning rates."""
    reference = json.loads((DATA / f'vis/keys_cc_{case}.json').read_text())
    prefix = reference['prefix_in_checkpoint']
    names, trained = (
        {
            name: value.shape
            for name, value in convert_state_dict(
                {
                    prefix + key: torch.empty(shape, device='meta')
                    for key, shape, _ in reference['keys']
                    if keep(key)
                }
            ).items()
        }
        for keep in (bool, reference['trainable'].__contains__)
    )
    cfg = load(FIRST[VIS.format(*setting)])
    model = build_meta(cfg.model)
    state = {f'head.{k}': v.shape for k, v in model.head.state_dict().items()}
    assert state == names
    params = dict(model.named_parameters())
    assert {k for k, v in params.items() if v.requires_grad} == trained.keys()
    assert (
        sum(map(torch.Size.numel, trained.values()))
        == reference['num_trainable']
    )

    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    groups = {id(g['params'][0]): g for g in optimizer.param_groups}
    for name in trained:
        group = groups[id(params[name])]
        module = model.get_submodule(name.rpartition('.')[0])
        norm = isinstance(module, nn.LayerNorm)
        assert group['lr'] == pytest.approx(1e-4)
        assert group['weight_decay'] == (0 if norm else 0.05), name


@pytest.mark.parametrize(
    'name, change',
    [
        ('self-attention', dict(attention='self')),
        ('no-aspp', dict(aspp=None)),
        ('rates125', dict(aspp=dict(rates=(1, 2, 5)))),
        ('rates135', dict(aspp=dict(rates=(1, 3, 5)))),
        ('nc6', dict(num_layers=6)),
        ('nc8', dict(num_layers=8)),
    ],
)
def test_ablations_change_one_thing(name, change):
    base, variant = (
        'maxtron-offline_video-kmax_r50_16xb1-15k_vipseg',
        f'maxtron-offline_video-kmax_r50_{name}_16xb1-15k_vipseg',
    )
    expected = load(FIRST[base])._cfg_dict.to_dict()
    expected['model']['head']['tracker'].update(change)
    assert load(FIRST[variant])._cfg_dict.to_dict() == expected


@pytest.mark.parametrize(
    'backbone', ['r50', 'convnext-l', 'convnextv2-l', 'swin-l']
)
def test_panoptic_settings_are_the_released_ones(backbone):
    cfg = load(
        FIRST[f'maxtron-offline_video-kmax_{backbone}_16xb1-15k_vipseg']
    )
    test_cfg = cfg.model.head.test_cfg
    assert [test_cfg[f'{key}_thr'] for key in ('pixel', 'thing', 'stuff')] == (
        [0.2, 0.2, 0.45] if backbone == 'r50' else [0.4, 0.7, 0.5]
    )
    assert test_cfg.overlap_thr == 0.8
    assert cfg.train_dataloader.dataset.clip_len == 24
    assert (test_cfg.clip_len, cfg.model.head.tracker.num_layers) == (2, 4)
    assert cfg.train_cfg.val_interval == 5000
    assert cfg.default_hooks.checkpoint.interval == 5000
    assert cfg.param_scheduler[0].warmup_iters == 750
    step = cfg.train_dataloader.dataset.pipeline[0]
    for key in ('transforms', 'paste_transforms'):
        sampler = step[key][0]
        assert sampler.type == 'RandomClipSampler'
        assert sampler.get('reverse_prob') == (
            0.5 if backbone == 'r50' else None
        )
