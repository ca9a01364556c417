# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import projects.maxtron  # noqa: F401, before MMDetection

import pytest
import torch
from mmdet.registry import MODELS

from tests.parity import assert_parity, load_case

LEVELS = ('res2', 'res3', 'res4', 'res5')
SMALL = dict(depths=(1, 2, 2, 1), channels=(8, 16, 32, 64))


def build(arch=SMALL, **kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='mmdet.ConvNeXt', arch=arch, **kwargs))


def weights_apart_from_init(model):
    """Let all parts have an effect."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    'name', ['convnext', 'convnext_odd', 'convnextv2', 'convnextv2_odd']
)
def test_golden(name):
    case = load_case(name, 'vps')
    s = case.settings
    arch = dict(depths=s['depths'], channels=s['dims'])
    model = build(arch, use_grn='v2' in name).eval()
    model.load_state_dict(case.state)
    for level, out in zip(LEVELS, model(case.outputs['image']), strict=True):
        assert_parity(out, case.outputs[level])


def test_original_files_need_no_conversion(tmp_path):
    case = load_case('convnextv2_odd', 'vps')
    path = str(tmp_path / 'convnextv2.pt')
    torch.save(
        dict(
            model={
                **case.reference_state,  # of Meta's file, as the reference
                'norm.weight': torch.zeros(64),
                'head.weight': torch.zeros(1000, 64),
            }
        ),
        path,
    )
    s = case.settings
    model = build(
        dict(depths=s['depths'], channels=s['dims']),
        use_grn=True,
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    model.init_weights()
    state = model.state_dict()
    assert state.keys() == case.state.keys()
    assert all(torch.equal(state[k], v) for k, v in case.state.items())


def test_mmpretrain_files(tmp_path):
    source = weights_apart_from_init(build())
    path = str(tmp_path / 'convnext.pth')
    state = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    for key, value in state.items():  # with linear_pw_conv=False
        if '.pointwise_conv' in key and key.endswith('weight'):
            state[key] = value[:, :, None, None]
    torch.save(
        dict(state_dict={**state, 'head.fc.weight': torch.zeros(2, 64)}), path
    )
    model = build(
        init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    )
    model.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


def test_random_weights_and_stochastic_depth():
    model = build(drop_path_rate=0.5)
    model.init_weights()
    blocks = [block for stage in model.stages for block in stage]
    assert [block.drop_path.drop_prob for block in blocks] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    )
    last = blocks[-1]
    assert last.pointwise_conv1.weight.std().item() == pytest.approx(
        0.02, rel=0.05
    )
    assert not last.pointwise_conv1.bias.any()
    assert last.gamma.unique().item() == pytest.approx(1e-6)
    assert last.norm.weight.unique().item() == 1
    v2 = build(use_grn=True).stages[-1][-1]
    assert v2.gamma is None and not v2.grn.gamma.any()


@pytest.mark.parametrize('use_grn', [False, True])
def test_checkpointing_and_frozen_stages(use_grn):
    image = torch.randn(2, 3, 65, 97)
    plain = weights_apart_from_init(build(use_grn=use_grn))
    frugal = build(use_grn=use_grn, with_cp=True, frozen_stages=2)
    frugal.load_state_dict(plain.state_dict())
    frugal.train()
    losses = [
        sum((x**2).mean() for x in model(image)) for model in (plain, frugal)
    ]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    for (name, a), b in zip(plain.named_parameters(), frugal.parameters()):
        assert a.grad.any(), name
        if name.split('.')[1] in '01':
            assert b.grad is None
        else:
            torch.testing.assert_close(b.grad, a.grad)
    assert not frugal.stages[1].training and frugal.stages[2].training


def test_sizes_and_selected_stages():
    image = torch.zeros(1, 3, 70, 101)
    sizes = [x.shape[-2:] for x in build()(image)]
    assert sizes == [(18, 26), (9, 13), (5, 7), (3, 4)]  # rounded up
    model = build(extra_padding=False, out_indices=(1, 3))
    assert [x.shape for x in model(image)] == [(1, 16, 8, 12), (1, 64, 2, 3)]


def test_empty_and_constant_maps_have_gradients_in_v2():
    """The norm of a map of zeros has no derivative."""
    model = build(use_grn=True)
    for stage in model.stages:
        for block in stage:
            torch.nn.init.zeros_(block.pointwise_conv1.weight)
            torch.nn.init.zeros_(block.pointwise_conv1.bias)
    sum(x.sum() for x in model(torch.randn(1, 3, 33, 33))).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    'arch, message',
    [
        ('huger', 'give one of atto, .*huge, or a dict'),
        (dict(depths=(1, 1)), 'depths.*channels'),
        (dict(depths=(1, 1), channels=(8,)), 'same length'),
    ],
)
def test_unknown_arch(arch, message):
    with pytest.raises(ValueError, match=message):
        build(arch)
