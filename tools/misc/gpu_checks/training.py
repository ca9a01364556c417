# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Training steps: gradients as on the CPU, mixed precision, time, memory."""

import gc
from pathlib import Path

import torch
from torch import nn

from tools.benchmarks.measuring import highest_memory

from .checker import Checker
from .models import E2E_TINY, LARGE, OFFLINE_TINY, PRECISIONS, TINY
from .steps import HostRandom, make_step, make_trainer, timed_steps

# Largest relative differences from the CPU in float32.
LOSS_BOUND, GRADIENT_BOUND = 1e-3, 2e-2
NUM_STEPS = 4
# Samples of a step of the large models.
BATCH_SIZES = {'R50 panoptic': (1, 4), 'R50 instances': (1,)}


def run(check: Checker) -> None:
    """Compare steps of each kind, and measure steps of full size."""
    for kind, (near_online, _) in TINY.items():
        stages = (near_online, OFFLINE_TINY[kind], E2E_TINY[kind])
        for path in stages[: 1 if check.small else None]:
            with check.guard(path.stem):
                _compare_step(check, path)
    if check.small:
        return
    for name, sizes in BATCH_SIZES.items():
        for batch_size in sizes:
            for precision in ('fp32', 'fp16', 'bf16'):
                if batch_size > 1 and precision == 'fp32':
                    continue  # more than 80 GB
                case = f'{name}, {batch_size} samples, {precision}'
                with check.guard(case):
                    _measure_step(
                        check, case, LARGE[name], batch_size, precision
                    )


def _compare_step(check: Checker, path: Path) -> None:
    """Compare losses and gradients with those of the CPU."""
    results = []
    for device in ('cpu', check.device):
        with HostRandom():
            results.append(make_step(make_trainer(path, device)))
    (losses, grads), (actual, actual_grads) = results[0], results[1]
    check.compare(f'{path.stem}, losses', actual, losses, LOSS_BOUND)
    check.compare(
        f'{path.stem}, gradients', actual_grads, grads, GRADIENT_BOUND
    )
    if not check.is_cuda:
        return
    for precision in ('fp16', 'bf16'):
        trainer = make_trainer(path, check.device, 1, PRECISIONS[precision])
        times = timed_steps(trainer, check.device, 2)
        check.record(
            f'{path.stem}, {precision}', _is_finite(trainer.model), **times
        )


def _measure_step(
    check: Checker, case: str, path: Path, batch_size: int, precision: str
) -> None:
    """Measure steps of a large model."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    trainer = make_trainer(
        path, check.device, batch_size, PRECISIONS[precision], segments=30
    )
    times = timed_steps(trainer, check.device, NUM_STEPS)
    check.record(
        case,
        _is_finite(trainer.model),
        ms=sum(times.values()),
        **times,
        peak_mib=highest_memory(is_cuda=True),
    )


def _is_finite(model: nn.Module) -> bool:
    """Return whether all weights are finite after the steps."""
    return all(bool(p.isfinite().all()) for p in model.parameters())
