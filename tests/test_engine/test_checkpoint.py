# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Checkpoints that do not fill the model are refused, with the reason."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

from projects.maxtron.engine import InitialWeightsHook, load_checkpoint_checked
from projects.maxtron.engine.checkpoint import load_initial_weights

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from tests.offline import KINDS, offline_model

ROOT = Path(__file__).parents[2]


class Renaming(nn.Module):
    """Module that also accepts weights under an old name, like MaXTron."""

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
    assert (
        '2 of another shape, first: size mismatch for head.weight' in message
    )
    assert 'trained with another config' in message


def test_other_architecture(save):
    path = save(
        dict(
            state_dict={
                'stem.weight': torch.rand(2),
                'neck.conv.weight': torch.rand(2),
            }
        )
    )
    with pytest.raises(ValueError) as error:
        load_checkpoint_checked(Renaming(), path)
    message = str(error.value)
    # the counter of batch normalisation is not asked for
    assert '8 missing, first: backbone.0.weight' in message
    assert '2 unexpected' in message
    assert 'another architecture, with the parts neck, stem' in message


@pytest.mark.parametrize(
    'key, words',
    [
        (
            'panoptic_head.pixel_decoder.encoder.layers.0.attentions.0.gamma',
            'tools/model_converters/reference_to_maxtron.py',
        ),
        (
            'sem_seg_head.predictor._cluster_centers.weight',
            'tools/model_converters/reference_to_maxtron.py',
        ),
        ('sem_seg_head.predictor.query_embed.weight', 'Detectron2 checkpoint'),
        ('downsample_layers.0.0.weight', 'init_cfg of model.backbone'),
        (
            'panoptic_head.pixel_decoder.encoder.layers.0.self_attn.gamma',
            'initialises a training',
        ),
    ],
)
def test_known_origins_are_named(save, key, words):
    path = save(dict(state_dict={key: torch.rand(2)}))
    with pytest.raises(ValueError, match='This looks like') as error:
        load_checkpoint_checked(Renaming(), path)
    assert words in str(error.value)


def test_files_without_weights(save):
    model = Renaming()
    with pytest.raises(FileNotFoundError, match='Checkpoint not found: no'):
        load_checkpoint_checked(model, 'no.pth')
    with pytest.raises(ValueError, match='has no weights'):
        load_checkpoint_checked(model, save(dict(state_dict={})))
    with pytest.raises(ValueError, match='holds a list'):
        load_checkpoint_checked(model, save([1, 2]))


def start_from(weights):
    """Check and load weights as at the start of a training."""
    runner = SimpleNamespace(
        model=Renaming(), cfg=dict(load_from='start.pth'), work_dir='out'
    )
    InitialWeightsHook().after_load_checkpoint(
        runner, dict(state_dict=weights)
    )


def test_initial_weights_that_are_not_there(tmp_path):
    cfg = dict(load_from=str(tmp_path / 'start.pth'))
    with pytest.raises(FileNotFoundError, match='start.pth.*README'):
        InitialWeightsHook().before_run(SimpleNamespace(cfg=cfg))
    tmp_path.joinpath('start.pth').touch()
    for path in (cfg['load_from'], None, 'https://example.com/start.pth'):
        InitialWeightsHook().before_run(
            SimpleNamespace(cfg=dict(load_from=path))
        )


def test_initial_weights_may_be_of_other_classes():
    weights = Renaming(classes=5).state_dict()
    start_from(renamed(weights, 'head.', 'track_head.pixel_decoder.'))
    start_from(weights)


@pytest.mark.parametrize(
    'weights, words',
    [
        (
            {'stem.weight': torch.rand(2)},
            'another architecture, with the parts',
        ),
        # fits, except for a part that would be ignored silently
        (
            {
                **Renaming().state_dict(),
                'panoptic_head.pixel_decoder.encoder.layers.'
                '0.attentions.0.gamma': torch.rand(2),
            },
            'reference_to_maxtron.py',
        ),
        (
            {'track_head.pixel_decoder.weight': torch.rand(2)},
            'another architecture, with the parts track_head',
        ),
    ],
)
def test_initial_weights_of_another_model(weights, words):
    with pytest.raises(ValueError, match='start.pth does not fit') as error:
        start_from(weights)
    assert words in str(error.value)


@pytest.fixture(scope='module', params=KINDS)
def stages(request):
    """Near-online weights, and models with a tracker in both modes."""
    kind = request.param
    return offline_model(kind, 'nearonline').state_dict(), {
        mode: offline_model(kind, mode=mode)
        for mode in ('near_online', 'offline')
    }


def test_half_of_the_weights_initialise_a_training():
    """With fewer, the checkpoint is taken for that of another model."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    weights = {'0.weight': torch.zeros(2, 2), '0.bias': torch.zeros(2)}
    load_initial_weights(model, dict(state_dict=weights), 'x.pth')
    assert not model[0].weight.any() and model[1].weight.any()
    del weights['0.bias']
    with pytest.raises(ValueError, match='1 of 4 weights match'):
        load_initial_weights(model, dict(state_dict=weights), 'x.pth')


def test_heads_of_a_tracker_begin_as_those_of_the_segmenter(stages):
    weights, models = stages
    model = models['offline']
    state = load_initial_weights(model, dict(state_dict=weights), 'x.pth')
    missing, _ = model.load_state_dict(state, strict=False)
    assert missing and all(key.startswith('head.tracker.') for key in missing)
    for key, value in model.state_dict().items():
        if key.startswith('head.tracker_heads.'):
            key = key.replace('tracker_heads', 'segmenter.transformer_decoder')
        if not key.startswith('head.tracker.'):
            assert value.equal(weights[key]), key


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda key, value: {}, r'1 missing, first: {}'),
        (
            lambda key, value: {key: value[:-1]},
            r'1 of another shape, first: size mismatch for {}: copying a param with '
            r'shape torch.Size\(\[\d+, .* in current model is torch.Size\(\[\d+, ',
        ),
    ],
)
@pytest.mark.parametrize('part', ['backbone', 'head.segmenter.pixel_decoder'])
def test_frozen_weights_must_be_there(stages, change, words, part):
    weights, models = stages
    key = next(
        k
        for k, value in weights.items()
        if k.startswith(part) and value.dim() == 4
    )
    weights = dict(weights)
    weights.update(change(key, weights.pop(key)))
    words = words.format(re.escape(key))
    with pytest.raises(
        ValueError,
        match=f'(?s)x.pth does not fill backbone, .*{words}.*Set load_from'
        '.* near-online',
    ):
        load_initial_weights(
            models['offline'], dict(state_dict=weights), 'x.pth'
        )


def test_second_stage_from_an_image_model():
    """Mask2Former for COCO has no layers in time and other classes."""
    weights = {
        key.replace('head.segmenter', 'panoptic_head'): value
        for key, value in offline_model('vis').state_dict().items()
        if 'tracker' not in key and 'temporal' not in key
    }
    with pytest.raises(ValueError, match='(?s)missing, first: .*temporal'):
        load_initial_weights(
            offline_model('vis'), dict(state_dict=weights), 'coco.pth'
        )


def test_prediction_with_a_near_online_checkpoint(stages, save):
    weights, models = stages
    path = save(dict(state_dict=weights))
    with pytest.raises(
        ValueError,
        match=r'near-online: it has no cross-clip tracker \(\d+ weights .*'
        'load_from.*mode=\'near_online\'.*the "nearonline" config of the same',
    ):
        load_checkpoint_checked(models['offline'], path)
    load_checkpoint_checked(models['near_online'], path)
    key = 'backbone.conv1.weight'
    assert models['near_online'].state_dict()[key].equal(weights[key])
    # all other weights must exist
    path = save(
        dict(state_dict={k: v for k, v in weights.items() if k != key})
    )
    for model in models.values():
        with pytest.raises(ValueError, match='does not fit MaXTron'):
            load_checkpoint_checked(model, path)


def test_frozen_weights_that_nobody_loaded(stages):
    weights, models = stages
    runner = SimpleNamespace(
        model=models['offline'], cfg=dict(load_from='x.pth'), work_dir='out'
    )
    hook = InitialWeightsHook()
    with pytest.raises(ValueError, match='backbone, .*nothing was loaded'):
        hook.before_train(runner)
    hook.after_load_checkpoint(runner, dict(state_dict=weights))
    hook.before_train(runner)
    runner.model = Renaming()  # is trained as a whole
    InitialWeightsHook().before_train(runner)


def test_offline_checkpoint_in_a_near_online_model(save):
    """The log names the config to predict offline with."""
    path = save(dict(state_dict=offline_model('vis').state_dict()))
    model = offline_model('vis', 'nearonline')
    folder = ROOT / 'configs/maxtron/synthetic'
    (config,) = folder.glob('*-nearonline_tube-link_tiny_*_synthetic-vis.py')
    (offline,) = folder.glob('*-offline_tube-link_tiny_*_synthetic-vis.py')
    logged = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    load_checkpoint_checked(model, path, config=str(config))
    logger.removeHandler(handler)
    (line,) = [text for text in logged if 'is offline' in text]
    assert 'it has a cross-clip tracker' in line
    assert line.endswith(f'to predict offline, use {offline}.')
    with pytest.raises(ValueError, match=re.escape(str(config))):
        path = save(dict(state_dict=model.state_dict()))
        load_checkpoint_checked(
            offline_model('vis', mode='offline'), path, config=str(offline)
        )
