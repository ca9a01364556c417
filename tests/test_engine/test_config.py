# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Options that would not be read are refused."""

import re
import tempfile
from pathlib import Path

from projects.maxtron.engine import explain_unknown_arguments, load_config
from projects.maxtron.engine.config import check_cfg_options, parse_cfg_options
from projects.maxtron.errors import ConfigFileError, ConfigKeyError

import pytest
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).parents[2]
TEXT = """
default_scope = 'mmdet'
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10)
model = dict(
    type='MaskRCNN',
    backbone=dict(type='ResNet', depth=50, norm_cfg=dict(type='BN')),
    neck=None,
    rpn_head=dict(num_classes=80),
    encoder=dict(num_layers=6))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(640, 360)),
    dict(type='RandomChoiceResize', scales=[(640, 360)], keep_ratio=True)]
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1),
    paramwise_cfg=dict(norm_decay_mult=0.0),
    clip_grad=dict(max_norm=0.01))
"""


@pytest.fixture
def cfg():
    return Config.fromstring(TEXT, '.py')


@pytest.fixture
def tiny():
    """The config of the tiny model."""
    init_default_scope('mmdet')
    (path,) = (ROOT / 'configs/maxtron/synthetic').glob(
        '*nearonline_tube-link_tiny_*_synthetic-vis.py'
    )
    return load_config(str(path))


@pytest.mark.parametrize(
    'option',
    [
        'model.backbone.depth',  # is in the config
        'train_pipeline.1.scale',
        'model.backbone.with_cp',  # an argument of ResNet
        'model.backbone.init_cfg.type',
        'optim_wrapper.optimizer.weight_decay',  # of torch.optim.SGD
        'optim_wrapper.accumulative_counts',  # of the base class
        'train_dataloader.persistent_workers',  # of DataLoader
        'train_pipeline.1.keep_ratio',
        'train_pipeline.2.clip_object_border',  # handed on to Resize
        'randomness.seed',  # of the runner
        'find_unused_parameters',
        'model.neck.type',  # None may become a module
        'model.encoder.num_cp',  # key of a dict with an unknown reader
        'model.encoder.num_levels',  # similar, but different
        'optim_wrapper.paramwise_cfg.bias_decay_mult',
        'optim_wrapper.clip_grad.error_if_nonfinite',
        '+model.backbone.anything',  # on purpose
    ],
)
def test_options_that_something_reads(cfg, option):
    check_cfg_options(cfg, {option: 1})


@pytest.mark.parametrize(
    'option, words',
    [
        (
            'model.bakbone.depth',
            [
                '"model" (MaskRCNN) has no "bakbone"',
                'Did you mean model.backbone?',
            ],
        ),
        (
            'model.backbone.deph',
            [
                '"model.backbone" (ResNet) has no "deph"',
                'Did you mean model.backbone.depth?',
            ],
        ),
        (
            'optim_wraper.optimizer.lr',
            ['the top level of the config', 'Did you mean optim_wrapper'],
        ),
        ('model.backbone.max_iters', ['Did you mean train_cfg.max_iters?']),
        (
            'model.encoder.num_layer',
            [
                '"model.encoder" has no "num_layer"',
                'Did you mean model.encoder.num_layers?',
            ],
        ),
        ('optim_wrapper.dtype', ['(OptimWrapper) has no "dtype"']),
        ('train_dataloader.batchsize', ['train_dataloader.batch_size?']),
        ('train_pipeline.3.scale', ['"3"', 'a list with 3 entries: 0 to 2']),
        (
            'train_pipeline.2.keep_ration',
            ['Did you mean train_pipeline.2.keep_'],
        ),
        ('model.backbone.depth.x', ['which is 50 in the config']),
        (
            'train_cfg.zzz',
            [
                '"train_cfg" has: type, max_iters.',
                'write +train_cfg.zzz=VALUE',
            ],
        ),
    ],
)
def test_options_that_nothing_reads(cfg, option, words):
    with pytest.raises(ValueError) as error:
        check_cfg_options(cfg, {'train_cfg.max_iters': 2, option: 1})
    for part in words:
        assert part in str(error.value)


def test_a_leading_plus_is_not_part_of_the_key(cfg):
    options = {'+model.new': 1, 'model.type': 'RPN'}
    expected = {'model.new': 1, 'model.type': 'RPN'}
    assert parse_cfg_options(cfg, options) == expected


def test_keys_are_those_of_the_type_that_options_choose(cfg):
    """The order of the options does not matter."""
    options = {
        'optim_wrapper.dtype': 'bfloat16',
        'optim_wrapper.type': 'AmpOptimWrapper',
        'model.rpn_head.feat_channels': 8,
        'model.rpn_head.type': 'RPNHead',
    }
    check_cfg_options(cfg, options)
    assert cfg.optim_wrapper.type == 'OptimWrapper'  # is not changed
    with pytest.raises(ValueError, match=r'\(RPNHead\) has no "feat_chanel"'):
        check_cfg_options(cfg, {**options, 'model.rpn_head.feat_chanel': 8})


@pytest.mark.parametrize(
    'place, key',
    [
        ('segmenter.pixel_decoder.encoder', 'num_layer'),
        ('segmenter.pixel_decoder.temporal_cfg', 'positon'),
    ],
)
def test_unknown_argument_of_a_dict_without_type(tiny, place, key):
    """The message has the place in the config, and Python's message."""
    tiny.merge_from_dict({f'model.head.{place}.{key}': 3})
    with pytest.raises(TypeError) as error, explain_unknown_arguments(tiny):
        MODELS.build(tiny.model)
    assert str(error.value).startswith(
        f'"model.head.{place}" in the config has the key "{key}", which is '
        'not known there: '
    )
    assert f"unexpected keyword argument '{key}'" in str(error.value)


@pytest.mark.parametrize(
    'place, key',
    [('segmenter.train_cfg', 'num_point'), ('test_cfg', 'clip_length')],
)
def test_key_that_the_head_would_not_read(tiny, place, key):
    tiny.merge_from_dict({f'model.head.{place}.{key}': 3})
    with pytest.raises(TypeError) as error, explain_unknown_arguments(tiny):
        MODELS.build(tiny.model)
    assert f"['{key}']" in str(error.value)
    assert place.split('.')[-1] in str(error.value)


def test_load_config_merges_and_names_near_files(tmp_path):
    folder = tmp_path / 'configs'
    folder.mkdir()
    (folder / 'maxtron_r50_ovis.py').write_text(TEXT)
    path = str(folder / 'maxtron_r50_ovis.py')
    cfg = load_config(path, {'train_cfg.max_iters': 3, '+new': 4})
    assert (cfg.train_cfg.max_iters, cfg.new) == (3, 4)
    with pytest.raises(ValueError, match='neck=.* cannot inherit from base'):
        load_config(path, {'model.neck.type': 'FPN'})
    with pytest.raises(FileNotFoundError, match='Did you mean .*_r50_ovis'):
        load_config(str(folder / 'maxtron_r50_ovs.py'))


@pytest.mark.parametrize(
    'text, message',
    [
        ('x = 1\ny = = 2\n', 'a.py, line 2: SyntaxError: invalid syntax.'),
        (
            "_base_ = ['bad.py']\n",
            "bad.py, line 1: SyntaxError: '.' was never",
        ),
        ("_base_ = ['no.py']\n", 'a.py: the base .*no.py does not exist'),
        ('x = 1\ny = z\n', "a.py, line 2: NameError: name 'z' is not defined"),
        ("_base_ = ['good.py']\nx = _base_.y\n", 'a.py, line 2: .* no attrib'),
        ("_base_ = ['good.py']\nx = dict(y=1)\n", 'a.py: .*x=.* cannot inher'),
        ("_base_ = ['good.py', 'good.py']\n", 'a.py: .*Duplicate key'),
        (
            "custom_imports = dict(imports=['no_module_here'])\n",
            'a.py: custom_imports: ModuleNotFoundError: .*PYTHONPATH',
        ),
        (
            'custom_imports = dict(imports=[1])\n',
            'a.py: TypeError: 1 is of type .*. Correct the config.',
        ),
        (
            "custom_imports = dict(imports=['failing_module'])\n",
            'a.py: custom_imports: NameError: .* in .*failing_module.py, line 2',
        ),
    ],
)
def test_faulty_config_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'failing_module.py').write_text('x = 1\ny = z\n')
    (tmp_path / 'good.py').write_text('x = 1\n')
    (tmp_path / 'bad.py').write_text('x = (\n')
    (tmp_path / 'a.py').write_text(text)
    with pytest.raises(ConfigFileError) as error:
        load_config(str(tmp_path / 'a.py'))
    place = re.escape(str(tmp_path))
    assert re.match(f'{place}/{message}', str(error.value)), str(error.value)
    assert '\n' not in str(error.value)


def test_no_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / 'a.py').write_text('x = 1\n')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'nowhere'))
    with pytest.raises(ConfigFileError, match='a.py cannot be read.*TMPDIR'):
        load_config(str(tmp_path / 'a.py'))


@pytest.mark.parametrize(
    'hook, message',
    [
        (dict(priority=1), '"custom_hooks.0" has no "type". Add'),
        (
            dict(type='EarlyStoppingHook'),
            '"custom_hooks.0", EarlyStoppingHook lacks \'monitor\'. Add',
        ),
        (dict(type='NoHook'), "has type='NoHook', but the registry"),
        (3, 'cannot be used: cfg should be a dict, ConfigDict or Config'),
    ],
)
def test_hook_that_cannot_be_built(hook, message):
    cfg = Config(dict(custom_hooks=[hook]))
    with (
        pytest.raises(ConfigKeyError) as error,
        explain_unknown_arguments(cfg),
    ):
        HOOKS.build(cfg.custom_hooks[0])
    assert message in str(error.value)


def test_errors_of_classes_pass(cfg):
    with pytest.raises(AssertionError), explain_unknown_arguments(cfg):
        HOOKS.build(dict(type='EMAHook', begin_iter=-1))
