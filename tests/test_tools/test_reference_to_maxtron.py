# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import pytest
import torch
from mmdet.registry import MODELS

from tests.models import ROOT, build, model_cfg
from tests.parity import DATA
from tests.scripts import run_fork
from tools.model_converters.reference_to_maxtron import (
    convert_state_dict,
    main,
)

KEYS = {
    'keys_near_online_r50_ytvis21': 'maxtron-nearonline_tube-link_r50',
    'keys_near_online_swinl_ytvis21': 'maxtron-nearonline_tube-link_swin-l',
    'keys_baseline_r50_ytvis21': 'tube-link_r50',
}
# Offline models; the ResNet-50 model for OVIS has a deeper tracker.
OFFLINE_KEYS = {
    'keys_cc_r50_ytvis21': ('r50', 40, 4),
    'keys_cc_swinl_ytvis21': ('swin-l', 40, 4),
    'keys_cc_r50_ovis': ('r50', 25, 6),
}
CONFIG = (
    'configs/maxtron/ytvis21/maxtron-nearonline_tube-link_r50_8xb1-15k_'
    'youtube-vis-2021.py'
)
TEMPORAL = (
    'pixel_decoder.encoder.layers.0.attentions.0.temporal_layer.'
    'temporal_layers.0.'
)


def head_state(name='keys_near_online_r50_ytvis21'):
    """Weights of a real setting, by the reference's names in the head."""
    keys = json.loads((DATA / f'vis/{name}.json').read_text())['keys']
    return {key: torch.zeros(shape) for key, shape, _ in keys}


def reference_state(name='keys_near_online_r50_ytvis21'):
    """The same for the whole model, with some of the backbone."""
    state = {f'panoptic_head.{k}': v for k, v in head_state(name).items()}
    state['backbone.layer1.0.downsample.1.num_batches_tracked'] = torch.tensor(
        7
    )
    return state


@pytest.fixture
def checkpoint(tmp_path):
    """A file as the reference's training writes it."""
    path = tmp_path / 'iter_15000.pth'
    torch.save(
        dict(
            meta=dict(CLASSES=('airplane', 'bear'), iter=15000),
            state_dict=reference_state(),
            optimizer=dict(state={}),
        ),
        path,
    )
    return path


@pytest.mark.parametrize('name, model', KEYS.items())
def test_key_lists_are_those_of_the_real_models(name, model):
    with torch.device('meta'):  # names and shapes only
        segmenter = build(model_cfg(model, num_classes=40).head.segmenter)
    expected = {k: v.shape for k, v in segmenter.state_dict().items()}
    converted = convert_state_dict(head_state(name), 'panoptic_head.')
    assert {k: v.shape for k, v in converted.items()} == expected


@pytest.mark.parametrize('name', OFFLINE_KEYS)
def test_offline_key_lists_are_those_of_the_real_models(name):
    backbone, num_classes, num_layers = OFFLINE_KEYS[name]
    cfg = model_cfg(f'maxtron-offline_tube-link_{backbone}', num_classes)
    cfg.head.tracker.num_layers = num_layers
    cfg.backbone = model_cfg('tube-link_r50').backbone  # Swin reads values
    with torch.device('meta'):
        model = build(cfg)
    golden = json.loads((DATA / f'vis/{name}.json').read_text())
    expected = {
        k: v.shape
        for k, v in model.state_dict().items()
        if k.startswith('head.')
    }
    converted = convert_state_dict(
        {f'panoptic_head.{k}': v for k, v in head_state(name).items()}
    )
    assert {k: v.shape for k, v in converted.items()} == expected
    parameters = list(model.head.parameters())
    assert sum(p.numel() for p in parameters) == golden['num_parameters']
    # The second stage trains the same weights as the reference.
    trainable = convert_state_dict(
        {f'panoptic_head.{k}': torch.zeros(1, 1) for k in golden['trainable']}
    )
    assert {
        k for k, v in model.named_parameters() if v.requires_grad
    } == trainable.keys()
    assert (
        sum(p.numel() for p in parameters if p.requires_grad)
        == golden['num_trainable']
    )


@pytest.mark.parametrize('model', ['tube-link_r50', 'tube-link_swin-l'])
def test_backbone_keys_are_known(model):
    """Their names did not change from MMDetection 2.x to 3.x."""
    cfg = model_cfg(model).backbone
    if cfg.type == 'SwinTransformer':  # a small one has the same names
        cfg.update(embed_dims=12, num_heads=(1, 2, 4, 8))
    backbone = MODELS.build(cfg).state_dict()
    state = {f'backbone.{k}': v for k, v in backbone.items()}
    assert convert_state_dict(state).keys() == state.keys()


def test_q_k_and_v_are_joined_in_this_order():
    state = {
        f'{TEMPORAL}width_attn.{name}.{kind}': torch.full(shape, value)
        for value, name in enumerate('vkq')
        for kind, shape in (('weight', (2, 2)), ('bias', (2,)))
    }
    converted = convert_state_dict(state, 'panoptic_head.')
    prefix = (
        'pixel_decoder.encoder.layers.0.self_attn.temporal_layers.0.'
        'width_attn.qkv.'
    )
    assert converted.keys() == {f'{prefix}weight', f'{prefix}bias'}
    assert converted[f'{prefix}bias'].tolist() == [2, 2, 1, 1, 0, 0]
    assert converted[f'{prefix}weight'][:, 1].tolist() == [2, 2, 1, 1, 0, 0]
    del state[f'{TEMPORAL}width_attn.k.bias']
    with pytest.raises(ValueError, match=r'width_attn.qkv.bias .* lacks k'):
        convert_state_dict(state, 'panoptic_head.')


@pytest.mark.parametrize(
    'key, message',
    [
        (
            'panoptic_head.contrastive.weight',
            'panoptic_head.contrastive.weight',
        ),
        ('panoptic_head.cls_embed.weights', 'panoptic_head.cls_embed.weights'),
        (
            'backbone.layer1.0.conv1.running_mean',
            'layer1.0.conv1.running_mean',
        ),
        ('bbox_head.fc.weight', 'bbox_head.fc.weight'),
        (
            'panoptic_head.pixel_decoder.encoder.layers.0.self_attn.gamma',
            'names look like those of MMDetection 3.x',
        ),
        (
            'panoptic_head.conv_norms.0.running_mean',
            'conv_norms.0.running_mean',
        ),
    ],
)
def test_unknown_keys_are_named(key, message):
    state = dict(reference_state(), **{key: torch.zeros(1)})
    with pytest.raises(ValueError, match=message):
        convert_state_dict(state)


def test_a_file_is_converted_and_what_is_dropped_is_listed(
    checkpoint, tmp_path, capsys
):
    content = torch.load(checkpoint)
    content['state_dict']['ema_backbone_conv1_weight'] = torch.zeros(1)
    torch.save(content, checkpoint)
    main([str(checkpoint), str(tmp_path / 'new' / 'out.pth')])
    printed = capsys.readouterr().out
    assert 'dropped optimizer: state of the optimizer' in printed
    assert 'dropped ema_backbone_conv1_weight: moving average' in printed
    out = torch.load(tmp_path / 'new' / 'out.pth', weights_only=True)
    assert out['meta'] == dict(dataset_meta=dict(classes=('airplane', 'bear')))
    state = out['state_dict']
    assert 'head.segmenter.pixel_decoder.level_3d_encoding.weight' in state
    assert (
        state['backbone.layer1.0.downsample.1.num_batches_tracked'].item() == 7
    )
    assert len(list((tmp_path / 'new').iterdir())) == 1


@pytest.mark.slow
def test_strict_check_against_a_config(checkpoint, tmp_path):
    out = tmp_path / 'out.pth'
    arguments = [str(checkpoint), str(out), '--config', str(ROOT / CONFIG)]
    with pytest.raises(RuntimeError, match='Missing key.*backbone.conv1'):
        main(arguments)  # as most of the backbone is not there
    assert not out.exists()

    content = torch.load(checkpoint)
    backbone = MODELS.build(model_cfg('tube-link_r50').backbone).state_dict()
    content['state_dict'].update(
        {f'backbone.{k}': v for k, v in backbone.items()}
    )
    torch.save(content, checkpoint)
    run = run_fork(
        'tools/model_converters/reference_to_maxtron.py', tmp_path, *arguments
    )
    assert run.returncode == 0, run.stderr
    assert 'All weights fit the model' in run.stdout
    assert out.exists()


class Code:
    """Not something that a file of weights should hold."""


def test_bad_files(checkpoint, tmp_path):
    out = str(tmp_path / 'out.pth')
    with pytest.raises(FileNotFoundError, match='no checkpoint at .*nowhere'):
        main([str(tmp_path / 'nowhere.pth'), out])
    torch.save(dict(state_dict=reference_state(), meta=Code()), checkpoint)
    with pytest.raises(ValueError, match='--trust'):
        main([str(checkpoint), out])
    torch.save([1, 2], checkpoint)
    with pytest.raises(ValueError, match='holds a list'):
        main([str(checkpoint), out])
    checkpoint.write_bytes(checkpoint.read_bytes()[:300])
    with pytest.raises(ValueError, match='is it complete'):
        main([str(checkpoint), out])
    checkpoint.write_text('<html>404</html>')
    with pytest.raises(ValueError, match='no checkpoint of PyTorch'):
        main([str(checkpoint), out])
