# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoints that a training starts from are read before it is built."""

import projects.maxtron  # noqa: F401
from projects.maxtron.engine import (
    CheckpointError,
    check_start_checkpoints,
    explain_other_optimizer,
)

import pytest
import torch
from mmengine.config import Config

from tests.damaged_checkpoints import write_damaged


def write_good(path, **content):
    torch.save(dict(state_dict=dict(weight=torch.rand(2)), **content), path)


def write_training(path):
    write_good(path, meta=dict(iter=1), optimizer={}, message_hub={})


def check(**options):
    cfg = Config(dict(model=dict(backbone=dict(type='ResNet')), **options))
    check_start_checkpoints(cfg)


def test_load_from(tmp_path):
    path = tmp_path / 'start.pth'
    with pytest.raises(FileNotFoundError, match='start.pth, .*README'):
        check(load_from=str(path))
    words = write_damaged(path, 'half')
    with pytest.raises(CheckpointError, match=f'^load_from .*{words}'):
        check(load_from=str(path))
    torch.save(dict(state_dict={}), path)
    with pytest.raises(CheckpointError, match='load_from .* has no weights'):
        check(load_from=str(path))
    write_good(path)
    check(load_from=str(path))
    check(load_from=None)


@pytest.mark.parametrize('listed', [False, True])
def test_weights_of_a_backbone(tmp_path, listed):
    path = tmp_path / 'backbone.pth'
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    key = 'model.backbone.init_cfg.'
    if listed:
        init_cfg = [dict(type='Normal', layer='Linear'), init_cfg]
        key = 'model.backbone.init_cfg.1.'
    model = dict(type='MaXTron', backbone=dict(init_cfg=init_cfg))
    for name, words in (
        (None, 'Checkpoint not found'),
        ('page', 'it is a web page'),
    ):
        if name is not None:
            write_damaged(path, name)
        with pytest.raises(CheckpointError) as error:
            check_start_checkpoints(Config(dict(model=model)))
        assert str(error.value).startswith(f'{key}checkpoint: ')
        assert words in str(error.value)
    write_good(path)
    check_start_checkpoints(Config(dict(model=model)))


def test_resume(tmp_path):
    path = tmp_path / 'iter_3.pth'
    write_damaged(path, 'empty')
    with pytest.raises(CheckpointError, match='^Cannot resume: .*is empty'):
        check(load_from=str(path), resume=True)
    write_good(path, meta={})
    with pytest.raises(
        CheckpointError,
        match='iter_3.pth has no optimizer, message_hub, .*load_from=/',
    ):
        check(load_from=str(path), resume=True)
    write_training(path)
    check(load_from=str(path), resume=True)


@pytest.mark.parametrize('sizes', [(1, 2), (3,)])
def test_resume_with_other_parameter_groups(sizes):
    saved, other = (
        torch.optim.SGD(
            [
                dict(params=[torch.zeros(1) for _ in range(number)])
                for number in numbers
            ]
        )
        for numbers in ((2, 1), sizes)
    )
    cfg = Config(dict(resume=True, load_from='iter_3.pth'))
    with (
        pytest.raises(CheckpointError, match='optimizer of iter_3.pth groups'),
        explain_other_optimizer(cfg),
    ):
        other.load_state_dict(saved.state_dict())
    with pytest.raises(ValueError, match='^another'):
        with explain_other_optimizer(cfg):
            raise ValueError('another error')


@pytest.mark.parametrize('prefix', ['iter', 'epoch'])
def test_auto_resume_names_the_newest_good_checkpoint(tmp_path, prefix):
    for number in (2, 9, 10, 11):
        write_training(tmp_path / f'{prefix}_{number}.pth')
    write_damaged(tmp_path / f'{prefix}_10.pth', 'half')
    write_good(tmp_path / 'best.pth')
    last = tmp_path / 'last_checkpoint'
    last.write_text(str(tmp_path / f'{prefix}_11.pth'))
    auto = dict(resume=True, load_from=None, work_dir=str(tmp_path))
    check(**auto)
    write_damaged(tmp_path / f'{prefix}_11.pth', 'flipped')
    with pytest.raises(CheckpointError) as error:
        check(**auto)
    assert f'{prefix}_11.pth cannot be read' in str(error.value)
    good = tmp_path / f'{prefix}_9.pth'
    assert str(error.value).endswith(f'resume from it with --resume {good}')
    for number in (2, 9):
        (tmp_path / f'{prefix}_{number}.pth').unlink()
    with pytest.raises(CheckpointError, match='No other checkpoint of .* is'):
        check(**auto)
    last.write_text('')
    with pytest.raises(CheckpointError, match='last_checkpoint is empty'):
        check(**auto)
    last.unlink()
    check(**auto)


def test_only_the_first_process_of_a_machine_reads(tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    check(load_from=str(tmp_path / 'missing.pth'))
