# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Conversion of the reference's VPS code, kMaX and ImageNet files."""

import gzip
import json
import pickle
from collections import OrderedDict

import projects.maxtron  # noqa: F401, before MMDetection

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.configs import load
from tests.models import ROOT
from tests.parity import DATA, load_case
from tools.model_converters.reference_to_maxtron import (
    convert_state_dict,
    main,
)
from tools.model_converters.rules import vps

BASE = ROOT / 'configs/_base_/models'
# Config of the zoo that a list of keys is of, and parameters in total, as the
# fact sheet has them.
REAL = {
    'maxtron_wc_r50': (
        'maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg',
        81522806,
    ),
    'maxtron_wc_convnext_large': (
        'maxtron-nearonline_video-kmax_convnext-l_8xb4-30k_vipseg',
        252506870,
    ),
    'maxtron_wc_convnextv2_large': (
        'maxtron-nearonline_video-kmax_convnextv2-l_8xb4-30k_vipseg',
        252696374,
    ),
    'maxtron_cc_r50': (
        'maxtron-offline_video-kmax_r50_16xb1-15k_vipseg',
        70863001,
    ),
    'maxtron_cc_convnext_large': (
        'maxtron-offline_video-kmax_convnext-l_16xb1-15k_vipseg',
        245658393,
    ),
    'maxtron_cc_convnextv2_large': (
        'maxtron-offline_video-kmax_convnextv2-l_16xb1-15k_vipseg',
        245847897,
    ),
    'kmax_r50': ('kmax_r50_8xb8-150k_coco-panoptic', 72436862),
    'kmax_wc_r50': ('kmax-msda_r50_8xb8-150k_coco-panoptic', 75750078),
    'kmax_wc_convnext_large': (
        'kmax-msda_convnext-l_8xb8-150k_coco-panoptic',
        246734142,
    ),
    'kmax_wc_convnextv2_large': (
        'kmax-msda_convnextv2-l_8xb8-150k_coco-panoptic',
        246923646,
    ),
}
CONVNEXT = dict(
    depths=(1, 1, 1, 1), channels=(8, 16, 32, 64)
)  # of convnext*_odd


def reference_state(name):
    """Weights without values by the reference's names."""
    path = DATA / f'vps/keys/{name}.json.gz'
    keys = json.loads(gzip.decompress(path.read_bytes()))['keys']
    return {key: torch.zeros(shape, device='meta') for key, shape, _ in keys}


@pytest.mark.slow
@pytest.mark.parametrize('name', REAL)
def test_key_lists_are_those_of_the_real_models(name):
    init_default_scope('mmdet')
    config, count = REAL[name]
    with torch.device('meta'):  # names and shapes only
        model = MODELS.build(load(config).model)
    expected = {k: v.shape for k, v in model.state_dict().items()}
    converted = convert_state_dict(reference_state(name))
    assert {k: v.shape for k, v in converted.items()} == expected
    assert sum(p.numel() for p in model.parameters()) == count
    if '_cc_' in name:  # all but the tracker is frozen
        assert (
            sum(p.numel() for p in model.parameters() if p.requires_grad)
            == 5194624
        )


def test_heads_of_the_tracker_begin_as_in_the_reference():
    """Each weight of ours as a copy of the one that the reference copies."""
    path = DATA / 'vps/keys/offline_initialisation.json'
    copies = json.loads(path.read_text())['copied_from_near_online']
    with torch.device('meta'):
        head = MODELS.build(load(REAL['maxtron_cc_r50'][0]).model.head)
    assert {vps.rename(key) for key in copies.values()} == {
        f'head.tracker_heads.{name}'
        for name in head.tracker_heads.state_dict()
    }
    for source, copy in copies.items():
        assert vps.rename(copy) == vps.rename(source).replace(
            f'head.segmenter.{head.tracker_heads.copied_from}.',
            'head.tracker_heads.',
        )


def test_semantic_branch_of_an_offline_checkpoint():
    """The offline model has no such branch, so its weights are dropped."""
    near_online = reference_state('maxtron_wc_r50')
    semantic = {
        k: v for k, v in near_online.items() if '_auxiliary_semantic' in k
    }
    assert len(semantic) == 86
    offline, dropped = reference_state('maxtron_cc_r50'), dict()
    converted = convert_state_dict({**offline, **semantic}, dropped=dropped)
    assert converted.keys() == convert_state_dict(offline).keys()
    assert dropped.keys() == semantic.keys()
    assert 'semantic branch' in next(iter(dropped.values()))
    # but of a near-online checkpoint it is converted
    convert_state_dict(near_online, dropped=(kept := dict()))
    assert not kept


def test_both_spellings_of_the_predictor():
    state = reference_state('kmax_r50')
    respelled = {
        k.replace('_predcitor', '_predictor'): v for k, v in state.items()
    }
    assert respelled.keys() != state.keys()
    assert list(convert_state_dict(state)) == list(
        convert_state_dict(respelled)
    )


@pytest.mark.parametrize(
    'key, message',
    [
        (
            'sem_seg_head.predictor._kmax_transformer_layers.0.foo.weight',
            r'1 keys are not those of a VPS or COCO panoptic.*\n  sem_seg.*foo',
        ),
        ('sem_seg_head.pixel_decoder._in_norms.0.running_mean', '1 keys.*VPS'),
        (
            'sem_seg_head.predictor.transformer_self_attention_layers.0.norm.bias',
            'Mask2Former of Detectron2, which is not read',
        ),
        ('backbone.stages.0.0.gamma.weight', 'gamma.weight'),
        (
            'cross_clip_tracking_module.conv_norms.0.running_mean',
            '1 keys.*VPS.*\n  cross_clip.*running_mean',
        ),
        (
            'cross_clip_tracking_module.activation_proj.weight',
            'activation_proj',
        ),
    ],
)
def test_unknown_keys_are_named(key, message):
    state = dict(reference_state('maxtron_wc_r50'), **{key: torch.zeros(1)})
    with pytest.raises(ValueError, match=message):
        convert_state_dict(state)


@pytest.fixture
def tiny_config(tmp_path):
    """A real config with another backbone, which is all that is built."""

    def write(**backbone):
        cfg = Config.fromfile(BASE / 'video-kmax_r50.py')
        cfg.model.backbone = backbone
        path = tmp_path / 'config.py'
        cfg.dump(path)
        return path

    return write


def detectron2_name(key):
    """Names of Detectron2 for the weights of torchvision."""
    if 'layer' not in key:
        key = f'stem.{key}'
    for i in range(1, 5):
        key = key.replace(f'layer{i}', f'res{i + 1}')
        key = key.replace(f'bn{i}', f'conv{i}.norm')
    key = key.replace('downsample.0', 'shortcut')
    return key.replace('downsample.1', 'shortcut.norm')


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_detectron2_resnet(tmp_path, tiny_config, capsys, protocol):
    torch.manual_seed(0)
    backbone = dict(type='ResNet', depth=50, base_channels=4, stem_channels=4)
    source = MODELS.build(dict(backbone, type='mmdet.ResNet')).state_dict()
    for value in source.values():
        value.copy_(torch.rand_like(value.float()))
    weights = {
        detectron2_name(k): v.numpy()
        for k, v in source.items()
        if 'num_batches' not in k
    }
    weights['stem.fc.weight'] = np.zeros((1000, 128), np.float32)
    src, dst = tmp_path / 'R-50.pkl', str(tmp_path / 'r50.pth')
    src.write_bytes(
        pickle.dumps(
            dict(
                model=weights,
                __author__='torchvision',
                matching_heuristics=True,
            ),
            protocol,
        )
    )
    main([str(src), dst, '--config', str(tiny_config(**backbone))])
    printed = capsys.readouterr().out
    assert 'All weights fit the backbone of' in printed
    assert 'dropped stem.fc.weight: part of the classification' in printed

    init_cfg = dict(type='Pretrained', checkpoint=dst)
    model = MODELS.build(
        dict(backbone, type='mmdet.ResNet', init_cfg=init_cfg)
    )
    model.init_weights()
    for key, value in model.state_dict().items():
        if 'num_batches' not in key:
            assert torch.equal(value, source[key]), key


@pytest.mark.parametrize('form', ['pth', 'pth of PyTorch 1.5', 'pkl'])
def test_original_convnext(tmp_path, tiny_config, capsys, form):
    case = load_case('convnextv2_odd', 'vps')
    weights = OrderedDict(case.reference_state)
    # tensors that are views, as is common in real files
    weights['head.weight'] = torch.rand(64, 10).t()
    weights['norm.bias'] = torch.nn.Parameter(torch.rand(64))
    weights._metadata = OrderedDict(version=1)  # as of a module
    src, dst = tmp_path / 'source', str(tmp_path / 'out.pth')
    if form == 'pkl':
        with src.open('wb') as file:
            pickle.dump(dict(model=weights, __author__='third_party'), file)
    else:
        torch.save(
            dict(model=weights),
            src,
            _use_new_zipfile_serialization=form == 'pth',
        )
    backbone = dict(type='ConvNeXt', arch=CONVNEXT, use_grn=True)
    main([str(src), dst, '--config', str(tiny_config(**backbone))])
    printed = capsys.readouterr().out
    assert 'dropped norm.bias: part of the classification head' in printed
    assert 'dropped head.weight' in printed
    state = torch.load(dst, weights_only=True)['state_dict']
    assert state.keys() == case.state.keys()
    for key, value in state.items():
        assert torch.equal(value, case.state[key])
    assert state['stages.0.0.grn.gamma'].shape == (32,)


class Payload:
    """Runs something when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_pickles_do_not_run_code(tmp_path):
    weights = load_case('convnext_odd', 'vps').reference_state
    trace = tmp_path / 'trace'
    src, dst = tmp_path / 'source.pkl', str(tmp_path / 'out.pth')
    for harm in (Payload(trace), np.array([Payload(trace)])):
        src.write_bytes(pickle.dumps(dict(model=weights, harm=harm)))
        with pytest.raises(ValueError, match=r'--trust.*holds .*io.*open'):
            main([str(src), dst])
        assert not trace.exists()
    main([str(src), dst, '--trust'])
    assert trace.exists()


def test_classes_of_another_data_set(tmp_path):
    name = 'sem_seg_head.predictor._predcitor._transformer_class_head.conv.'
    src = tmp_path / 'coco.pth'
    torch.save(
        dict(
            model={
                f'{name}weight': torch.zeros(134, 256, 1),
                f'{name}bias': torch.zeros(134),
            },
            iteration=7,
        ),
        src,
    )
    config = tmp_path / 'config.py'
    cfg = Config.fromfile(BASE / 'video-kmax_tiny.py')
    cfg.model.head.segmenter.num_classes = 124
    cfg.model.head.segmenter.criterion = None
    cfg.dump(config)
    out = tmp_path / 'out.pth'
    with pytest.raises(
        RuntimeError, match=r'(?s)cls_embed.*\[134, 256, 1\].*COCO and VIPSeg'
    ):
        main([str(src), str(out), '--config', str(config)])
    assert not out.exists()
