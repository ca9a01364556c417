# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A whole training step, from frames and labels to every gradient."""

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from torch.nn.modules.batchnorm import _BatchNorm

from tests.models import ROOT, build
from tests.parity import load_case
from tests.test_models.clips import pack_clip
from tools.model_converters.reference_to_maxtron import convert_state_dict
from tools.model_converters.rules import vps

# The reference numbers its auxiliary losses at the end of their names.
LOSS_NAMES = dict(
    loss_cls='loss_ce',
    loss_mask='loss_mask',
    loss_dice='loss_dice',
    loss_pixel='loss_pixel_insdis',
    loss_semantic='loss_aux_semantic',
)
PADDED_COLUMNS = 5


def build_model(case, name):
    """The R50 model in training; near-online with running statistics."""
    settings = case.settings
    cfg = Config.fromfile(
        ROOT / f'configs/_base_/models/maxtron-{name}_video-kmax_r50.py'
    ).model
    cfg.data_preprocessor.input_size = settings['image_size']
    segmenter = cfg.head.segmenter
    segmenter.num_queries = settings['num_queries']
    if name == 'nearonline':
        segmenter.transformer_decoder.drop_path_rate = 0.0
        segmenter.semantic_head.dropout = 0.0
        for loss in ('loss_pixel', 'loss_semantic'):
            segmenter.criterion[loss].sampler.num_points = settings['sample_k']
    model = build(cfg)
    model.load_state_dict(case.state, strict=True)
    model.train()
    for module in model.modules():
        if name == 'nearonline' and isinstance(module, _BatchNorm):
            module.eval()
    return model


def read_batch(case):
    """Read the videos of the case in the format of the training pipeline."""
    arrays, settings = case.outputs, case.settings
    data = dict(inputs=[], data_samples=[])
    for v in range(settings['videos']):
        tubes = arrays[f'label_map{v}'].long()  # (T, h, w)
        labels = arrays[f'classes{v}'].tolist()
        semantic = torch.tensor(labels + [255])[tubes]
        clip = pack_clip(tubes + 1, dict(enumerate(labels, 1)), semantic)
        for frame in clip:
            valid = torch.ones(1, *settings['image_size'], dtype=torch.bool)
            valid[..., -PADDED_COLUMNS:] = False
            frame.valid_pixels = PixelData(sem_seg=valid)
        data['inputs'].append(arrays[f'video{v}'].flip(1))  # RGB to BGR
        data['data_samples'].append(clip)
    return data


def gradient_norms(model, case):
    """L2 norms of gradients by the reference's names.

    Some parameters of the reference are joined in this project. The converter,
    applied to numbers instead of weights, shows the correspondence.
    """
    names = list(case.settings['gradient_l2'])
    numbers = {
        name: torch.full_like(weight, -1.0)
        for name, weight in case.reference_state.items()
    }
    for i, name in enumerate(names):
        numbers[name].fill_(i)
    numbers = convert_state_dict(numbers)
    squares = torch.zeros(len(names), dtype=torch.float64)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:  # is no parameter of the reference's
            assert (numbers[name] < 0).all() and parameter.grad is None, name
            continue
        index = numbers[name].flatten().long()
        assert (index >= 0).all(), name
        squares += torch.bincount(
            index, parameter.grad.flatten().double() ** 2, len(names)
        )
    return squares.sqrt()


@pytest.mark.slow
@pytest.mark.parametrize(
    'case, name, rtol, gradient_rtol, num_gradients',
    [
        ('train_step_wc_r50', 'nearonline', 1e-3, 1e-2, 801),
        ('train_step_cc_r50', 'offline', 1e-4, 1e-4, 88),
    ],
)
def test_equals_reference(case, name, rtol, gradient_rtol, num_gradients):
    case = load_case(case, 'vps')
    model = build_model(case, name)
    data = model.data_preprocessor(read_batch(case), training=True)
    losses = model.loss(**data)
    expected = case.settings['weighted_losses']
    # The reference also computes one that it gives the weight 0.
    assert len(losses) == sum(loss != 0 for loss in expected.values())
    for key, loss in losses.items():
        layer, _, short = key.rpartition('.')
        reference = LOSS_NAMES[short] + layer.replace('d', '_')
        torch.testing.assert_close(
            loss.item(), expected[reference], rtol=rtol, atol=0.0
        )

    sum(losses.values()).backward()
    norms = gradient_norms(model, case)
    expected = torch.tensor(
        list(case.settings['gradient_l2'].values()), dtype=torch.float64
    )
    # Smaller values are rounding errors.
    real = expected > 1e-6 * expected.max()
    assert real.sum() >= num_gradients
    torch.testing.assert_close(
        norms[real],
        expected[real],
        rtol=gradient_rtol,
        atol=1e-8 * expected.max().item(),
    )  # the reference's own rounding
    # Statistics: of frozen and evaluated norms the old ones, else new.
    state = model.state_dict()
    for key, value in case.outputs.items():
        if key.startswith('after.'):
            name = vps.rename(key.removeprefix('after.'))
            torch.testing.assert_close(
                state[name].view_as(value), value, rtol=1e-4, atol=0.0
            )
