# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.engine import (
    BFloat16OptimWrapper,
    amp_options,
    set_training_options,
    training_options,
)

import pytest
import torch
from mmengine.config import Config
from torch import nn


@pytest.fixture
def on_gpu(monkeypatch):
    """As if there were a GPU; the flag for TF32 exists without."""
    monkeypatch.setattr(training_options, 'is_cuda_available', lambda: True)
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    yield matmul
    matmul.allow_tf32 = before


def make_config(**kwargs):
    return Config(
        dict(
            train_dataloader=dict(batch_size=1),
            optim_wrapper=dict(optimizer=dict(type='AdamW', fused=True)),
            **kwargs,
        )
    )


@pytest.mark.parametrize('allow_tf32', [True, False])
def test_settings_of_a_gpu(on_gpu, allow_tf32):
    cfg = make_config(allow_tf32=allow_tf32)
    set_training_options(cfg)
    assert on_gpu.allow_tf32 == allow_tf32
    assert cfg.train_dataloader.pin_memory
    assert cfg.optim_wrapper.optimizer.fused
    cfg.train_dataloader.pin_memory = False
    set_training_options(cfg)
    assert not cfg.train_dataloader.pin_memory


@pytest.mark.parametrize('version, fused', [('2.3.1', False), ('2.4.0', True)])
def test_settings_of_a_cpu(monkeypatch, version, fused):
    monkeypatch.setattr(training_options, 'is_cuda_available', lambda: False)
    monkeypatch.setattr(torch, '__version__', version)
    cfg = make_config()
    set_training_options(cfg)
    assert 'pin_memory' not in cfg.train_dataloader
    assert ('fused' in cfg.optim_wrapper.optimizer) == fused


def test_type_of_mixed_precision(on_gpu):
    assert amp_options()['optim_wrapper.type'] == 'AmpOptimWrapper'
    options = {'optim_wrapper.type': 'BFloat16OptimWrapper'}
    assert amp_options('bf16') == options


def test_steps_in_bfloat16():
    """Products are computed in bfloat16, weights and gradients in float32."""
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    wrapper = BFloat16OptimWrapper(optimizer=optimizer)
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 3))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)


def test_fused_steps_are_those_of_the_plain_optimizer():
    weights = []
    for fused in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(30, 20)
        optimizer = torch.optim.AdamW(
            model.parameters(), 1e-3, weight_decay=0.05, fused=fused
        )
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(4, 30)).square().sum().backward()
            optimizer.step()
        weights.append(model.weight.detach())
    torch.testing.assert_close(*weights, rtol=1e-6, atol=1e-7)
