# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Stages of inference that overlap, and options that make it faster."""

import weakref
from copy import deepcopy
from threading import Event

from projects.maxtron.engine import optimize_inference

import pytest
import torch
from torch import nn

from tests.offline import (
    CLIP_LEN,
    KINDS,
    ORI_SHAPE,
    comparable,
    make_video,
    offline_model,
)

NUM_CLIPS = 4
STAGES = ('reading', 'network', 'post-processing', 'use of results')
SECONDS = 20  # An event that does not come ends the test.
COMPARED = ('cls_logits', 'mask_logits', 'queries', 'embeds')


class Stages:
    """Stages that end only if the stage before works on the next clip.

    If one stage waited for another, an event would never come.
    """

    def __init__(self):
        self.started = {
            stage: [Event() for _ in range(NUM_CLIPS)] for stage in STAGES
        }

    def run(self, stage, clip):
        self.started[stage][clip].set()
        before = STAGES.index(stage) - 1
        if before >= 0 and clip + 1 < NUM_CLIPS:
            event = self.started[STAGES[before]][clip + 1]
            assert event.wait(SECONDS), f'{stage} held up {STAGES[before]}'


@pytest.fixture(scope='module')
def models():
    return {kind: offline_model(kind, 'nearonline') for kind in KINDS}


@pytest.mark.parametrize('kind', KINDS)
def test_each_stage_works_on_the_next_clip(kind, models, monkeypatch):
    model = models[kind]
    clip_len = CLIP_LEN[kind]
    video = make_video(kind, NUM_CLIPS * clip_len)
    expected = list(model.predict_stream(list(video), ORI_SHAPE))
    stages, alive = Stages(), []
    forward_clips, start_video = model.forward_clips, model.head.start_video

    def read():
        for t, frame in enumerate(video):
            if t % clip_len == 0:
                stages.run('reading', t // clip_len)
            yield frame

    def forward(inputs):
        # those that are post-processed, and that wait for it
        assert sum(clip() is not None for clip in alive) <= 2
        stages.run('network', len(alive))
        clip = forward_clips(inputs)
        alive.append(weakref.ref(clip))
        return clip

    def start(whole_video):
        state = start_video(whole_video)
        clips, update = iter(range(NUM_CLIPS)), state.update

        def held(*args):
            stages.run('post-processing', next(clips))
            return update(*args)

        state.update = held
        return state

    monkeypatch.setattr(model, 'forward_clips', forward)
    monkeypatch.setattr(model.head, 'start_video', start)
    found = []
    for k, samples in enumerate(model.predict_stream(read(), ORI_SHAPE)):
        stages.run('use of results', k)
        found.append(samples)
    assert len(found) == NUM_CLIPS
    for clip, other in zip(found, expected, strict=True):
        for frame, wanted in zip(clip, other, strict=True):
            assert comparable(frame) == comparable(wanted)


@torch.no_grad()
def test_half_precision_of_the_network_only(models, monkeypatch):
    model = models['vps']
    inputs = preprocessed(model)
    full, feats = model.forward_clips(inputs), model.mask_features(inputs)
    monkeypatch.setattr(model, 'amp', True)
    half, half_feats = model.forward_clips(inputs), model.mask_features(inputs)
    assert half.mask_feats.equal(half_feats)
    assert not half_feats.equal(feats)
    for name in COMPARED:
        wanted, found = getattr(full, name), getattr(half, name)
        assert found.dtype == torch.float32
        error = (found - wanted).norm() / wanted.norm()
        assert 1e-4 < error < 0.3, (name, error)


def has_channels_last(model):
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    layout = torch.channels_last
    return all(w.is_contiguous(memory_format=layout) for w in weights)


def test_default_layout_on_cpus(models):
    model = deepcopy(models['vps'])
    optimize_inference(model, compile=True)
    assert not has_channels_last(model)
    optimize_inference(model)
    assert has_channels_last(model)


@torch.no_grad()
def test_layout_and_folding_keep_the_results(models):
    model = deepcopy(models['vps']).double()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:  # as after a training
        norm.running_mean.normal_(std=0.1)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(std=0.1)
    inputs = preprocessed(model).double()
    expected = model.forward_clips(inputs)
    optimize_inference(model, channels_last=True, fuse_conv_bn=True)
    left = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(left) < len(norms) / 2
    assert has_channels_last(model)
    actual = model.forward_clips(inputs)
    for name in COMPARED:
        torch.testing.assert_close(
            getattr(actual, name),
            getattr(expected, name),
            rtol=1e-8,
            atol=1e-8,
        )


def preprocessed(model):
    return model.data_preprocessor.preprocess_clip(list(make_video('vps', 2)))
