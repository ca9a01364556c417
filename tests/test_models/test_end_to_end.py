# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""End-to-end training on long videos, in the memory of about one clip."""

import copy
import weakref

from projects.maxtron.models.tracker_training import segment_clip

import pytest
import torch
from torch import nn

from tests.offline import CLIP_LEN, KINDS, offline_model, training_batch

pytestmark = pytest.mark.slow

NUM_CLIPS = 3


def prepared(kind, dtype=torch.float32):
    """A model that draws random numbers in training, and its batch."""
    model = offline_model(kind, 'e2e').train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
        if type(module).__name__ == 'DropPath':
            module.drop_prob = 0.2
    batch = model.data_preprocessor(
        training_batch(kind, NUM_CLIPS * CLIP_LEN[kind]), training=True
    )
    batch['inputs'] = batch['inputs'].to(dtype)
    return model.to(dtype), batch


def step(model, batch):
    """Losses, gradients and buffers after one training step."""
    torch.manual_seed(1)
    losses = model(**batch, mode='loss')
    model.parse_losses(losses)[0].backward()
    return (
        losses,
        {n: p.grad for n, p in model.named_parameters()},
        dict(model.named_buffers()),
    )


def cut_gradients(tracker, num_clips):
    """Cut the gradients of a tracker between chunks, by plain autograd."""
    refine = tracker.forward

    def forward(queries):
        chunk = torch.arange(queries.shape[1]) // num_clips
        total = 0
        for i in chunk.unique():
            inside = (chunk == i)[:, None, None]
            layers = refine(torch.where(inside, queries, queries.detach()))
            total = total + torch.where(inside, torch.stack(layers), 0)
        return list(total)

    tracker.forward = forward


@pytest.mark.parametrize(
    'kind, truncate', [('vis', None), ('vps', None), ('vis', 2)]
)
def test_gradients_are_those_of_plain_autograd(kind, truncate):
    model, batch = prepared(kind, torch.float64)
    model.head.clip_loss_weight = 0.5
    plain = copy.deepcopy(model)
    if truncate:  # chunks of two clips and of one
        model.head.tracker.truncate = truncate
        cut_gradients(plain.head.tracker, truncate)
    clips = []

    def train_clip(*clip):
        """Keep the activations of all clips."""
        clips.append(segment_clip(plain.extract_feat, plain.head, *clip))
        return clips[-1]

    plain._train_clip = train_clip
    before = {n: b.clone() for n, b in model.named_buffers()}
    losses, gradients, buffers = step(model, copy.deepcopy(batch))
    expected = step(plain, batch)

    assert len(clips) == NUM_CLIPS
    assert any(name.startswith('clip.') for name in losses)
    for name in clips[0].losses:
        mean = sum(clip.losses[name] for clip in clips) / NUM_CLIPS
        torch.testing.assert_close(losses[f'clip.{name}'], 0.5 * mean)
    assert losses.keys() == expected[0].keys()
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[0][name], rtol=1e-12, atol=0)
    for name, gradient in expected[1].items():
        assert gradient is not None and gradient.any(), name
        error = (gradients[name] - gradient).norm() / gradient.norm()
        assert error < 1e-9, (name, error)
    # The statistics count every clip once.
    assert buffers.keys() == expected[2].keys()
    for name, buffer in expected[2].items():
        assert buffers[name].equal(buffer), name
    counted = {
        int(buffer - before[name])
        for name, buffer in buffers.items()
        if 'num_batches' in name
    }
    # per clip in the segmenter, per layer of the tracker in its heads
    assert counted == (set() if kind == 'vis' else {NUM_CLIPS, 2})


@pytest.mark.parametrize('kind', KINDS)
def test_one_clip_is_held_at_a_time(kind):
    """Its features are released, and so is the graph of autograd."""
    model, batch = prepared(kind)
    features = []

    def alive():
        return sum(ref() is not None for ref in features)

    model.backbone.register_forward_pre_hook(lambda *_: held.append(alive()))
    model.backbone.register_forward_hook(
        lambda module, args, out: features.append(weakref.ref(out[0]))
    )
    held = []
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    assert alive() == 0
    loss.backward()
    assert held == [0] * 2 * NUM_CLIPS
    assert alive() == 0


@pytest.mark.parametrize('stage', ['offline', 'e2e'])
@pytest.mark.parametrize('kind', KINDS)
def test_step_in_mixed_precision(kind, stage):
    model = offline_model(kind, stage).train()
    batch = model.data_preprocessor(
        training_batch(kind, 2 * CLIP_LEN[kind]), training=True
    )
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(**batch, mode='loss')
        loss, _ = model.parse_losses(losses)
    assert all(
        loss.dtype == torch.float32 and loss.isfinite()
        for loss in losses.values()
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
