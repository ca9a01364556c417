# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The networks are graphs without breaks: torch.compile and torch.export."""

import dataclasses

from projects.maxtron.deployment import TrackerGraph, export_graph
from projects.maxtron.errors import InputError
from projects.maxtron.models.compilation import compile_parts

import pytest
import torch
from torch import nn

from tests.models import build
from tests.offline import CLIP_LEN, KINDS, SIZES, offline_cfg

pytestmark = pytest.mark.slow


def in_one_graph(function):
    """Trace a function with errors at graph breaks; run it uncompiled."""
    return torch.compile(
        function, fullgraph=True, backend='eager', dynamic=False
    )


def shallow_model(kind, stage='offline'):
    """A model with few layers, since tracing takes time for each."""
    cfg = offline_cfg(kind, stage)
    if kind == 'vis':
        cfg.head.segmenter.transformer_decoder.num_layers = 1
        cfg.head.segmenter.pixel_decoder.encoder.num_layers = 1
    else:
        cfg.neck.num_blocks = 1
        cfg.neck.temporal_cfg.num_layers = 1
    torch.manual_seed(0)
    return build(cfg)


def features_of(model, kind, num_clips):
    """Features of random clips; backbones are MMDetection's."""
    size = (64, 64) if kind == 'vis' else SIZES[kind]
    images = torch.randn(num_clips * CLIP_LEN[kind], 3, *size)
    with torch.no_grad():
        return model.backbone(images)


@torch.no_grad()
def test_inference_is_one_graph():
    model = shallow_model('vis')
    inputs = (features_of(model, 'vis', 1), CLIP_LEN['vis'])
    expected = model.head.segmenter(*inputs)
    actual = in_one_graph(model.head.segmenter)(*inputs)
    for field in dataclasses.fields(expected)[:-1]:
        torch.testing.assert_close(
            getattr(actual, field.name), getattr(expected, field.name)
        )
    queries = torch.randn(3, *expected.queries.shape[1:])
    for x, y in zip(
        in_one_graph(model.head.refine)(queries), model.head.refine(queries)
    ):
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize('kind', KINDS)
def test_training_is_one_graph(kind):
    """With the predictions of all layers, and their gradients."""
    model = shallow_model(kind, 'nearonline').train()
    segmenter = model.head.segmenter
    for name, parameter in segmenter.named_parameters():
        if 'sampling_offsets' in name:
            # At first, points lie on borders of cells, where gradients jump.
            nn.init.uniform_(parameter)
    inputs = (features_of(model, kind, 2), CLIP_LEN[kind])
    grads = []
    for function in (segmenter, in_one_graph(segmenter)):
        pred = function(*inputs)
        layers = [*pred.aux, (pred.cls_logits, pred.mask_logits)]
        assert len(layers) >= 2
        model.zero_grad()
        sum(x.square().mean() for y in layers for x in y[:2]).backward()
        grads.append([p.grad for p in segmenter.parameters()])
    for x, y in zip(*grads, strict=True):
        torch.testing.assert_close(x, y)


def test_compile_parts(monkeypatch):
    model = shallow_model('vps')
    names = list(model.state_dict())
    parts = ['backbone', 'neck', 'head.segmenter', 'head.tracker']
    assert compile_parts(model) == parts
    for part in parts:
        assert model.get_submodule(part)._compiled_call_impl is not None
    assert list(model.state_dict()) == names and not model.uses_cuda_graphs
    with pytest.raises(InputError, match='and this is a Linear'):
        compile_parts(nn.Linear(1, 1))
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(InputError, match='there is no no-such-compiler'):
        compile_parts(model)


@torch.no_grad()
def test_exported_tracker(tmp_path):
    """Saved, loaded and run without the model, for any number of clips."""
    tracker = TrackerGraph(shallow_model('vps').head)
    queries = torch.randn(7, 24, 64)
    path = tmp_path / 'tracker.pt2'
    torch.export.save(export_graph(tracker, queries[:3]), path)
    program = torch.export.load(path).module()
    for num_clips in (2, 3, 7):
        for x, y in zip(
            program(queries[:num_clips]), tracker(queries[:num_clips])
        ):
            assert (x - y).abs().max() < 1e-5 * y.abs().max()
