# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Options that nothing would read are refused."""

from projects.maxtron.engine import check_options, load_config

import pytest
from mmengine.config import Config

TEXT = """
default_scope = 'mmdet'
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10)
model = dict(
    type='MaskRCNN',
    backbone=dict(type='ResNet', depth=50, norm_cfg=dict(type='BN')),
    neck=None,
    rpn_head=dict(num_classes=80))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(640, 360))]
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
"""


@pytest.fixture
def cfg():
    return Config.fromstring(TEXT, '.py')


@pytest.mark.parametrize('option', [
    'model.backbone.depth',  # is in the config
    'train_pipeline.1.scale',
    'model.backbone.with_cp',  # an argument of ResNet
    'model.backbone.init_cfg.type',
    'optim_wrapper.optimizer.weight_decay',  # of torch.optim.SGD
    'optim_wrapper.accumulative_counts',  # of the base class
    'train_dataloader.persistent_workers',  # of DataLoader
    'train_pipeline.1.keep_ratio',
    'randomness.seed',  # of the runner
    'find_unused_parameters',
    'model.neck.type',  # None may become a module
    '+model.backbone.anything',  # on purpose
])
def test_options_that_something_reads(cfg, option):
    assert check_options(cfg, {option: 1}) == {option.lstrip('+'): 1}


@pytest.mark.parametrize('option, words', [
    ('model.bakbone.depth', ['"model" (MaskRCNN) has no "bakbone"',
                             'Did you mean model.backbone?']),
    ('model.backbone.deph', ['"model.backbone" (ResNet) has no "deph"',
                             'Did you mean model.backbone.depth?']),
    ('optim_wraper.optimizer.lr', ['the top level of the config',
                                   'Did you mean optim_wrapper']),
    ('model.rpn_head.max_iters', ['Did you mean train_cfg.max_iters?']),
    ('train_dataloader.batchsize', ['train_dataloader.batch_size?']),
    ('train_pipeline.2.scale', ['"2"', 'a list with 2 entries: 0 to 1']),
    ('model.backbone.depth.x', ['which is 50 in the config']),
    ('model.rpn_head.zzz', ['"model.rpn_head" has: num_classes.',
                            'write +model.rpn_head.zzz=VALUE']),
])
def test_options_that_nothing_reads(cfg, option, words):
    with pytest.raises(ValueError) as error:
        check_options(cfg, {'train_cfg.max_iters': 2, option: 1})
    for part in words:
        assert part in str(error.value)


def test_load_config_merges_and_names_near_files(tmp_path):
    folder = tmp_path / 'configs'
    folder.mkdir()
    (folder / 'maxtron_r50_ovis.py').write_text(TEXT)
    path = str(folder / 'maxtron_r50_ovis.py')
    cfg = load_config(path, {'train_cfg.max_iters': 3, '+new': 4})
    assert (cfg.train_cfg.max_iters, cfg.new) == (3, 4)
    with pytest.raises(FileNotFoundError, match='Did you mean .*_r50_ovis'):
        load_config(str(folder / 'maxtron_r50_ovs.py'))
