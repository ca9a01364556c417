# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoints that do not fill the model are refused, with the reason."""

from types import SimpleNamespace

from projects.maxtron.engine import InitialWeightsHook, load_checkpoint_checked

import pytest
import torch
from torch import nn


class Renaming(nn.Module):
    """Takes weights under an old name too, as MaXTron does."""

    def __init__(self, classes=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, classes)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for key in list(state_dict):
            if key.startswith('panoptic_head.'):
                new = key.replace('panoptic_head.', 'head.')
                state_dict[new] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


@pytest.fixture
def save(tmp_path):

    def write(content):
        path = tmp_path / 'checkpoint.pth'
        torch.save(content, path)
        return str(path)

    return write


def renamed(weights, old, new):
    return {key.replace(old, new): value for key, value in weights.items()}


def test_loads_wrapped_renamed_and_more_than_needed(save):
    source, model = Renaming(), Renaming()
    weights = renamed(source.state_dict(), 'head.', 'panoptic_head.')
    weights = {f'module.{key}': value for key, value in weights.items()}
    del weights['module.backbone.1.num_batches_tracked']
    weights['module.unknown.weight'] = torch.rand(2)
    path = save(dict(state_dict=weights, meta=dict(seed=7)))
    assert load_checkpoint_checked(model, path) == dict(seed=7)
    for key, value in source.state_dict().items():
        if 'num_batches' not in key:
            assert torch.equal(model.state_dict()[key], value)


def test_other_number_of_classes(save):
    path = save(dict(state_dict=Renaming(classes=5).state_dict()))
    with pytest.raises(ValueError) as error:
        load_checkpoint_checked(Renaming(), path)
    message = str(error.value)
    assert '7 of 9 weights match' in message
    assert '2 of another shape, first: size mismatch for head.weight' \
        in message
    assert 'trained with another config' in message


def test_other_architecture(save):
    path = save(dict(state_dict={
        'stem.weight': torch.rand(2), 'neck.conv.weight': torch.rand(2)}))
    with pytest.raises(ValueError) as error:
        load_checkpoint_checked(Renaming(), path)
    message = str(error.value)
    # the counter of batch normalisation is not asked for
    assert '8 missing, first: backbone.0.weight' in message
    assert '2 unexpected' in message
    assert 'another architecture, with the parts neck, stem' in message


@pytest.mark.parametrize('key, words', [
    ('panoptic_head.pixel_decoder.encoder.layers.0.attentions.0.gamma',
     'tools/model_converters/reference_to_maxtron.py'),
    ('sem_seg_head.predictor._cluster_centers.weight',
     'tools/model_converters/reference_to_maxtron.py'),
    ('sem_seg_head.predictor.query_embed.weight', 'Detectron2 checkpoint'),
    ('downsample_layers.0.0.weight', 'init_cfg of model.backbone'),
    ('panoptic_head.pixel_decoder.encoder.layers.0.self_attn.gamma',
     'initialises a training'),
])
def test_known_origins_are_named(save, key, words):
    path = save(dict(state_dict={key: torch.rand(2)}))
    with pytest.raises(ValueError, match='This looks like') as error:
        load_checkpoint_checked(Renaming(), path)
    assert words in str(error.value)


def test_files_that_are_no_checkpoint(save, tmp_path):
    model = Renaming()
    with pytest.raises(FileNotFoundError, match='Checkpoint not found: no'):
        load_checkpoint_checked(model, 'no.pth')
    path = tmp_path / 'page.pth'
    path.write_text('<html>404</html>')
    with pytest.raises(ValueError, match='cannot be read as a PyTorch'):
        load_checkpoint_checked(model, str(path))
    with pytest.raises(ValueError, match='has no weights'):
        load_checkpoint_checked(model, save(dict(state_dict={})))
    with pytest.raises(ValueError, match='holds a list'):
        load_checkpoint_checked(model, save([1, 2]))


def start_from(weights):
    """What a training does before it loads the weights."""
    runner = SimpleNamespace(
        model=Renaming(), cfg=dict(load_from='start.pth'), work_dir='out')
    InitialWeightsHook().after_load_checkpoint(runner,
                                               dict(state_dict=weights))


def test_initial_weights_that_are_not_there(tmp_path):
    cfg = dict(load_from=str(tmp_path / 'start.pth'))
    with pytest.raises(FileNotFoundError, match='start.pth.*README'):
        InitialWeightsHook().before_run(SimpleNamespace(cfg=cfg))
    tmp_path.joinpath('start.pth').touch()
    for path in (cfg['load_from'], None, 'https://example.com/start.pth'):
        InitialWeightsHook().before_run(
            SimpleNamespace(cfg=dict(load_from=path)))


def test_initial_weights_may_be_of_other_classes():
    weights = Renaming(classes=5).state_dict()
    start_from(renamed(weights, 'head.', 'track_head.pixel_decoder.'))
    start_from(weights)


@pytest.mark.parametrize('weights, words', [
    ({'stem.weight': torch.rand(2)}, 'another architecture, with the parts'),
    # fits, but for a part that would be left out without a word
    ({**Renaming().state_dict(), 'panoptic_head.pixel_decoder.encoder.layers.'
      '0.attentions.0.gamma': torch.rand(2)}, 'reference_to_maxtron.py'),
    ({'track_head.pixel_decoder.weight': torch.rand(2)},
     'another architecture, with the parts track_head'),
])
def test_initial_weights_of_another_model(weights, words):
    with pytest.raises(ValueError, match='start.pth does not fit') as error:
        start_from(weights)
    assert words in str(error.value)
