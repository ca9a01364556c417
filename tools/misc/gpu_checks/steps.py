# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training steps on random clips, for the parts of the check."""

import argparse
from pathlib import Path

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.config import Config
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tools.benchmarks.benchmark_train_step import Stopwatch, Trainer

from .models import read_config

_FACTORIES = (torch.rand, torch.randn, torch.randint, torch.randperm)
_LIKE = {torch.rand_like: torch.rand, torch.randn_like: torch.randn}


class HostRandom(TorchFunctionMode):
    """Mode in which all devices get the random numbers of the CPU."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in _FACTORIES:
            device = kwargs.pop('device', 'cpu')
            return function(*args, **kwargs).to(device)
        if function in _LIKE:
            like = args[0]
            return _LIKE[function](like.shape, dtype=like.dtype).to(like)
        return function(*args, **kwargs)


def clip_length(config: Config) -> int:
    """Return the number of frames of a sample for a training step.

    A model with a tracker is trained on videos of two clips.
    """
    length = config.model.head.test_cfg.clip_len
    return length * (2 if config.model.head.get('tracker') else 1)


def make_trainer(
    path: Path,
    device: str,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
    segments: int = 9,
) -> Trainer:
    """Build a model with random weights, its optimizer and a random batch.

    Args:
        path (Path): Config of the model.
        device (str): Device of the model.
        batch_size (int): Number of samples. Defaults to 1.
        dtype (torch.dtype, optional): Half precision for AMP. Defaults to
            None: float32.
        segments (int): Number of tubes of a sample. Defaults to 9.

    Returns:
        Trainer: The same for each device, without dropout.
    """
    config = read_config(path)
    if dtype is not None:
        config.optim_wrapper.dtype = str(dtype).removeprefix('torch.')
    options = argparse.Namespace(
        device=device,
        amp=dtype is not None,
        batch_size=batch_size,
        frames=clip_length(config),
        segments=segments,
    )
    trainer = Trainer(config, options)
    for module in trainer.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, DropPath):
            module.drop_prob = 0.0
        elif hasattr(module, 'attn_drop'):
            module.attn_drop = 0.0
    return trainer


def make_step(trainer: Trainer) -> tuple[list[Tensor], list[Tensor]]:
    """Compute losses and gradients without a change of the weights.

    Returns:
        tuple[list[Tensor], list[Tensor]]: Losses in the order of their names,
        and the gradients of all parameters that have one.
    """
    model = trainer.model
    data = model.data_preprocessor(dict(trainer.batch), training=True)
    torch.manual_seed(0)
    losses = model(**data, mode='loss')
    total, values = model.parse_losses(losses)
    model.zero_grad()
    total.backward()
    named = [values[name].detach().float() for name in sorted(values)]
    return named, gradients(model)


def gradients(model: nn.Module) -> list[Tensor]:
    """Copy the gradients of a model, as one vector."""
    grads = [
        p.grad.flatten() for p in model.parameters() if p.grad is not None
    ]
    return [torch.cat(grads)]


def timed_steps(trainer: Trainer, device: str, count: int) -> dict[str, float]:
    """Make steps of the optimizer; return the best ms of each part."""
    watch = Stopwatch(device)
    for _ in range(count):
        trainer.step(watch)
    return {
        f'ms_{name.replace(" ", "_")}': 1e3 * seconds
        for name, (seconds, _) in watch.best().items()
    }
