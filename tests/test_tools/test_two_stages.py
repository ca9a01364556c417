# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The second stage of a training, from a checkpoint of the first."""

import re

from projects.maxtron.engine import load_checkpoint_checked

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint

from tests.models import ROOT, build
from tests.offline import CLIP_LEN, KINDS
from tests.scripts import run_ranks, run_script
from tests.test_tools.test_distributed import losses

pytestmark = pytest.mark.slow

FOLDERS = dict(vis='youtube-vis/', vps='vipseg/VIPSeg_720P/')
COPIED = 'The heads of the cross-clip tracker begin as copies'


def leaf(kind, stage):
    """The tiny config of a stage, on the plain synthetic benchmark."""
    (path,) = (ROOT / 'configs/maxtron/synthetic').glob(
        f'maxtron-{stage}_{KINDS[kind]}_tiny_*_synthetic-{kind}.py'
    )
    return path


@pytest.fixture(scope='module', params=KINDS)
def first_stage(request, synthetic, tmp_path_factory):
    """Kind of the task, a near-online checkpoint and options of a run."""
    kind = request.param
    torch.manual_seed(0)
    model = build(Config.fromfile(leaf(kind, 'nearonline')).model)
    model.init_weights()
    path = tmp_path_factory.mktemp('first') / 'iter_9.pth'
    save_checkpoint(
        dict(meta=dict(iter=9), state_dict=model.state_dict()), str(path)
    )
    return (
        kind,
        path,
        [
            '--cfg-options',
            'randomness.seed=3',
            'train_cfg.max_iters=3',
            'val_dataloader=None',
            'val_cfg=None',
            'val_evaluator=None',
            'train_dataloader.num_workers=0',
            'train_dataloader.persistent_workers=False',
            'train_dataloader.batch_size=1',
            f'train_dataloader.dataset.clip_len={2 * CLIP_LEN[kind]}',
            f'train_dataloader.dataset.data_root={synthetic}/{FOLDERS[kind]}',
            'default_hooks.logger.interval=1',
            'log_processor.window_size=1',
            'default_hooks.checkpoint.interval=1',
            *(['param_scheduler.0.warmup_iters=1'] if kind == 'vps' else []),
        ],
    )


@pytest.fixture(scope='module')
def trained(first_stage, tmp_path_factory):
    """Folder and output of the second stage."""
    kind, start, options = first_stage
    work_dir = tmp_path_factory.mktemp('second')
    log = run_script(
        'tools/train.py',
        leaf(kind, 'offline'),
        '--work-dir',
        work_dir,
        *options,
        f'load_from={start}',
    )
    return work_dir, log


def read(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_only_the_tracker_changes(first_stage, trained):
    kind, start, _ = first_stage
    work_dir, log = trained
    first, second = read(start), read(work_dir / 'iter_3.pth')
    model = build(Config.fromfile(leaf(kind, 'offline')).model)
    shared = tuple(
        f'head.segmenter.{name}.'
        for name in model.head.segmenter.shared_with_tracker
    )
    assert bool(shared) == (kind == 'vis')
    kept, new = 0, 0
    for key, value in second.items():
        if key in first and not key.startswith(shared):
            assert value.equal(first[key]), key  # statistics, too
            kept += 1
        elif key in first:
            assert not value.equal(first[key]), key
        else:
            assert key.startswith(('head.tracker.', 'head.tracker_heads.'))
            new += 1
    assert kept > 200 and new > 20
    model.load_state_dict(second, strict=True)
    load_checkpoint_checked(model, str(work_dir / 'iter_3.pth'))

    # The log lists the copied heads once, and training changed them.
    assert log.count(COPIED) == (kind == 'vps')
    if kind == 'vps':
        line = next(row for row in log.splitlines() if COPIED in row)
        assert 'cls_proj.conv' in line and 'predictor.mask_norm' in line
        for key in second:
            if key.startswith('head.tracker_heads.'):
                source = key.replace(
                    'tracker_heads', 'segmenter.transformer_decoder'
                )
                assert not second[key].equal(first[source]), key
    assert re.search(r'start anew: head\.tracker$', log, re.M)


def test_resumes_with_its_own_heads(first_stage, trained, tmp_path):
    kind, _, options = first_stage
    log = run_script(
        'tools/train.py',
        leaf(kind, 'offline'),
        '--work-dir',
        tmp_path,
        '--resume',
        trained[0] / 'iter_1.pth',
        *options,
    )
    assert COPIED not in log and 'start anew' not in log
    expected = losses(trained[0])
    assert losses(tmp_path) == {i: expected[i] for i in (2, 3)}
    whole, resumed = (
        read(folder / 'iter_3.pth') for folder in (trained[0], tmp_path)
    )
    assert all(value.equal(resumed[key]) for key, value in whole.items())


def test_two_processes_train_end_to_end(first_stage, tmp_path):
    kind, start, options = first_stage
    run_ranks(
        'tools/train.py',
        leaf(kind, 'e2e'),
        '--work-dir',
        tmp_path,
        *options,
        f'load_from={start}',
        'train_cfg.max_iters=2',
        'default_hooks.checkpoint.interval=2',
    )
    logged = losses(tmp_path)
    assert sorted(logged) == [1, 2]
    assert any(name.startswith('clip.') for name in logged[2])
    first, second = read(start), read(tmp_path / 'iter_2.pth')
    assert not second['backbone.conv1.weight'].equal(
        first['backbone.conv1.weight']
    )


def test_second_stage_from_nothing(first_stage, tmp_path, run_here):
    kind, _, options = first_stage
    end, _ = run_here(
        'train.py',
        leaf(kind, 'offline'),
        '--work-dir',
        tmp_path,
        *options,
        'load_from=None',
    )
    assert 'frozen (model.freeze_segmenter), but nothing was loaded' in str(
        end
    )
