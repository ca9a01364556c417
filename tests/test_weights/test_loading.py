# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoints of other code bases are loaded as they are."""

import logging
import zipfile
from types import SimpleNamespace

from projects.maxtron.engine import (
    CheckpointError,
    InitialWeightsHook,
    check_start_checkpoints,
    load_checkpoint_checked,
)
from projects.maxtron.engine.pretrained_parts import check_pretrained_parts
from projects.maxtron.weights import load_any, recognise

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader

from tests.foreign_checkpoints import read_keys, to_reference, write_pickle
from tests.models import build
from tests.offline import offline_cfg
from tests.parity import load_case

# Task, stage and list of keys of the reference.
MODELS_OF_REFERENCE = dict(
    vis_nearonline=('vis', 'nearonline', 'vis/keys_near_online_r50_ytvis21'),
    vis_offline=('vis', 'offline', 'vis/keys_cc_r50_ytvis21'),
    vps_nearonline=('vps', 'nearonline', 'vps/keys/maxtron_wc_r50'),
    vps_offline=('vps', 'offline', 'vps/keys/maxtron_cc_r50'),
    kmax=('vps', 'kmax', 'vps/keys/kmax_r50'),
)
CLASSES = dict(vis=5, vps=10)


def tiny_model(kind, stage, seed=0):
    torch.manual_seed(seed)
    cfg = offline_cfg(kind, 'nearonline' if stage == 'kmax' else stage)
    cfg.backbone.norm_cfg = dict(type='BN')  # as the reference
    if stage == 'kmax':
        cfg.neck = None
    if stage == 'offline' and kind == 'vps':
        cfg.head.segmenter.semantic_head = None
    return build(cfg)


def write_reference(path, kind, stage, keys, **change):
    """Write a file as the reference's training does; return its weights."""
    state = tiny_model(kind, stage).state_dict()
    weights = {**to_reference(state, keys), **change}
    if kind == 'vis':
        names = tuple(f'class {i}' for i in range(5))
        content = dict(meta=dict(CLASSES=names, iter=9), state_dict=weights)
    else:
        content = dict(model=weights, scheduler=dict(last_epoch=3))
    torch.save(dict(content, optimizer=dict(state={}), iteration=9), path)
    return state


def check_weights(model, expected):
    for key, value in model.state_dict().items():
        assert value.equal(expected[key]), key


@pytest.fixture
def log():
    """Messages of the log."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.mark.slow
@pytest.mark.parametrize('name', MODELS_OF_REFERENCE)
def test_models_of_the_reference(tmp_path, log, name):
    kind, stage, keys = MODELS_OF_REFERENCE[name]
    path = str(tmp_path / 'model.pth')
    expected = write_reference(path, kind, stage, keys)
    model = tiny_model(kind, stage, seed=1)
    meta = load_checkpoint_checked(model, path)
    check_weights(model, expected)
    if kind == 'vis':
        assert meta['dataset_meta']['classes'][4] == 'class 4'
    (line,) = [text for text in log if path in text]
    assert 'converted in memory' in line
    assert ('kMaX-DeepLab' if name == 'kmax' else "authors'") in line

    # As load_from, MMEngine reads the file and the hook converts it.
    for parameter in model.parameters():
        parameter.data.zero_()
    log.clear()
    runner = SimpleNamespace(model=model, cfg=dict(load_from=path))
    content = CheckpointLoader.load_checkpoint(path, 'cpu', 'silent')
    InitialWeightsHook().after_load_checkpoint(runner, content)
    assert content['state_dict'].keys() == expected.keys()
    check_weights(model, expected)
    assert len([text for text in log if 'converted in memory' in text]) == 1


@pytest.mark.parametrize('name', ['vis_nearonline', 'vps_nearonline'])
def test_unknown_keys_are_errors(tmp_path, name):
    kind, stage, keys = MODELS_OF_REFERENCE[name]
    path = str(tmp_path / 'model.pth')
    change = {'backbone.surplus.weight': torch.zeros(2)}
    write_reference(path, kind, stage, keys, **change)
    words = 'model.pth does not fit.*1 keys are not .*\n  backbone.surplus.w'
    for load in (
        load_any,
        lambda path: check_start_checkpoints(Config(dict(load_from=path))),
    ):
        with pytest.raises(CheckpointError, match=words):
            load(path)


CONVNEXT = 'stages.0.0.dwconv.weight'


@pytest.mark.parametrize(
    'keys, code_base',
    [
        ('vis/keys_cc_r50_ovis', 'axial-vs-tube-link'),
        ('vis/keys_baseline_r50_ytvis21', 'axial-vs-tube-link'),
        ('vps/keys/maxtron_cc_convnext_large', 'axial-vs-video-kmax'),
        ('vps/keys/kmax_wc_convnextv2_large', 'axial-vs-video-kmax'),
        ('vps/keys/kmax_r50', 'kmax-deeplab'),
        (['head.segmenter.cls_embed.weight', CONVNEXT], 'maxtron'),
        (['stem.conv1.weight', 'res2.0.conv1.weight'], 'detectron2'),
        (['downsample_layers.0.0.weight', CONVNEXT], 'convnext'),
        (['backbone.stages.0.0.depthwise_conv.bias', 'head.fc.bias'],
         'mmpretrain'),
        (['backbone.stages.0.0.depthwise_conv.bias',
          'track_head.transformer_decoder.layers.0.self_attn.attn.in_proj_bias'],
         'mmdet'),
        (['backbone.layer1.0.conv1.weight'], None),
        (['downsample_layers.0.0.weight', 'stages.0.0.gamma'], None),
        (['sem_seg_head.predictor.query_embed.weight'], None),
    ],
)  # fmt: skip
def test_code_bases_are_recognised(keys, code_base):
    keys = read_keys(keys) if isinstance(keys, str) else keys
    assert recognise(keys) == code_base
    respelled = [key.replace('_predcitor', '_predictor') for key in keys]
    assert recognise(respelled) == code_base


def resnet(depth=50, **kwargs):
    cfg = dict(depth=depth, base_channels=4, stem_channels=4, **kwargs)
    return MODELS.build(dict(cfg, type='mmdet.ResNet'))


@pytest.fixture
def detectron2_resnet(tmp_path):
    """R-50.pkl with few channels, and its weights by our names."""
    init_default_scope('mmdet')
    source = resnet().state_dict()
    for value in source.values():
        value.copy_(torch.rand_like(value.float()))
    foreign = to_reference(
        {f'backbone.{key}': value for key, value in source.items()},
        'vps/keys/maxtron_wc_r50',
    )
    weights = {
        key.removeprefix('backbone.'): value
        for key, value in foreign.items()
        if 'num_batches' not in key
    }
    weights['stem.fc.bias'] = torch.zeros(1000)
    path = tmp_path / 'R-50.pkl'
    write_pickle(path, weights)
    return str(path), source


def test_pickle_of_detectron2_initialises_a_backbone(detectron2_resnet, log):
    path, source = detectron2_resnet
    init_cfg = dict(type='Pretrained', checkpoint=path)
    model = resnet(init_cfg=init_cfg)
    check_pretrained_parts(model)
    model.init_weights()
    for key, value in model.state_dict().items():
        assert 'num_batches' in key or value.equal(source[key]), key
    (line,) = [text for text in log if 'converted in memory' in text]
    assert '1 are left out (part of the classification head' in line
    larger = torch.nn.ModuleDict(dict(backbone=resnet(101, init_cfg=init_cfg)))
    words = 'model.backbone.init_cfg: .*R-50.pkl does not fit ResNet'
    with pytest.raises(CheckpointError, match=f'(?s){words}.*layer3.6.conv1'):
        check_pretrained_parts(larger)
    cfg = Config(dict(load_from=path, model={}))
    with pytest.raises(CheckpointError, match='R-50.pkl, .* in init_cfg of'):
        check_start_checkpoints(cfg)
    with pytest.raises(CheckpointError, match='(?s)does not.* init_cfg of'):
        load_checkpoint_checked(larger, path)


def test_pretrained_parts_need_the_right_prefix(tmp_path):
    """With a wrong one the backbone would keep its random weights."""
    state = load_case('convnext_odd', 'vps').state
    path = str(tmp_path / 'convnext.pth')
    torch.save({f'backbone.{key}': v for key, v in state.items()}, path)
    arch = dict(depths=(1, 1, 1, 1), channels=(8, 16, 32, 64))
    for prefix, words in (
        ('backbone.', None),
        ('encoder', 'has no weights under "encoder."'),
        (None, "(?s)0 of .* weights match.*prefix='backbone.'"),
    ):
        init_cfg = dict(type='Pretrained', checkpoint=path)
        if prefix is not None:
            init_cfg['prefix'] = prefix
        model = MODELS.build(
            dict(type='mmdet.ConvNeXt', arch=arch, init_cfg=init_cfg)
        )
        if words is None:
            check_pretrained_parts(model)
            continue
        with pytest.raises(CheckpointError, match=words):
            check_pretrained_parts(model)


@pytest.mark.parametrize(
    'config, head',
    [
        ('mask2former/mask2former_r50_8xb2-lsj-50e_coco', 'panoptic_head'),
        ('mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021',
         'track_head'),
    ],
)  # fmt: skip
def test_mask2former_of_mmdetection(tmp_path, config, head):
    """All names of the real models are known; other ones are errors."""
    init_default_scope('mmdet')
    cfg = get_config(f'mmdet::{config}.py').model[head]
    cfg.update(train_cfg=None, test_cfg=None)
    with torch.device('meta'):
        state = MODELS.build(cfg).state_dict()
    weights = {f'{head}.{key}': torch.zeros(1) for key in state}
    weights['backbone.layer1.0.bn1.running_var'] = torch.zeros(1)
    path = str(tmp_path / 'model.pth')
    meta = dict(dataset_meta=dict(CLASSES=['a', 'b'], PALETTE=[(0, 0, 1)]))
    torch.save(dict(state_dict=weights, meta=meta), path)
    loaded = load_any(path)
    assert loaded.code_base == 'mmdet'
    assert loaded.state_dict.keys() == {
        'backbone.layer1.0.bn1.running_var',
        *(f'head.segmenter.{key}' for key in state),
    }
    assert loaded.meta['dataset_meta']['classes'] == ('a', 'b')
    assert len(loaded.meta['dataset_meta']['palette']) == 1
    # MMDetection's own models in the same process get their names.
    content = CheckpointLoader.load_checkpoint(path, 'cpu', 'silent')
    assert content['state_dict'].keys() == weights.keys()
    weights[f'{head}.surplus.weight'] = torch.zeros(1)
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(CheckpointError, match=f'1 keys .*\n  {head}.surplus'):
        load_any(path)


class Payload:
    """Runs something when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_mmengine_does_not_run_code_in_files(tmp_path, monkeypatch):
    trace, path = tmp_path / 'trace', str(tmp_path / 'model.pth')
    weights = dict(weight=torch.zeros(2))
    torch.save(dict(state_dict=weights, meta=Payload(trace)), path)
    with pytest.raises(CheckpointError, match='without running .*io.open'):
        CheckpointLoader.load_checkpoint(path)
    assert not trace.exists()
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    CheckpointLoader.load_checkpoint(path)
    assert trace.exists()


def test_training_states_of_numpy_1_and_2(tmp_path):
    """Released checkpoints of MMDetection have histories of their losses."""
    new, old = tmp_path / 'new.pth', tmp_path / 'old.pth'
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    torch.save(dict(message_hub=history, weight=torch.zeros(2)), new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, 'w') as target:
        for name in source.namelist():
            content = source.read(name)
            content = content.replace(b'numpy._core.', b'numpy.core.')
            target.writestr(name, content)
    for path in (new, old):
        content = CheckpointLoader.load_checkpoint(str(path))
        assert content['message_hub'].mean() == 2
