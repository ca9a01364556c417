# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""CUDA graphs and torch.compile: results and times."""

import time

from projects.maxtron.models import MaXTron
from projects.maxtron.models.compilation import compile_parts
from projects.maxtron.structures import ClipPrediction

import torch
from torch import Tensor

from .checker import Checker
from .determinism import comparable
from .models import LARGE, TINY, build, make_clip, on_device, tensors_of
from .steps import make_step, make_trainer

# Compilers add in another order; half precision rounds more.
BOUND, HALF_BOUND = 1e-3, 2e-1


def run(check: Checker) -> None:
    """Capture and compile networks, the most important ones first."""
    if check.is_cuda:  # A CPU has no graphs.
        for name in list(LARGE)[:2] if not check.small else []:
            with check.guard(f'CUDA graph, {name}'), torch.no_grad():
                _check_capture(check, name)
    if not check.small:
        name = 'R50 panoptic'
        with check.guard(f'compile, {name}'), torch.no_grad():
            _check_compiled(check, name, LARGE[name], amp=True)
    for kind in TINY:
        with check.guard(f'compile, {kind}'), torch.no_grad():
            _check_compiled(check, kind, *TINY[kind], amp=False)
    with check.guard('compiled training step'):
        _check_training(check)


def _check_capture(check: Checker, name: str) -> None:
    """Capture the uncompiled network as a CUDA graph and replay it."""
    model = build(LARGE[name])
    first, second = (
        clip.to(check.device) for clip in make_clip(model, LARGE[name], 2)
    )
    model = on_device(model, check.device)
    for precision in ('fp32', 'fp16'):
        model.amp = precision == 'fp16'
        expected = tensors_of(model.forward_clips(second))
        static = first.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                model.forward_clips(static)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = tensors_of(model.forward_clips(static))
        static.copy_(second)
        graph.replay()
        eager, replayed = check.measure(
            lambda: model.forward_clips(second), graph.replay
        )
        check.compare(
            f'CUDA graph, {name}, {precision}',
            outputs,
            expected,
            BOUND if precision == 'fp32' else HALF_BOUND,
            ms_eager=eager,
            ms_replayed=replayed,
        )


def _check_compiled(
    check: Checker, name: str, path, checkpoint=None, *, amp: bool
) -> None:
    """Compile the parts of a model; compare clips and a video."""
    model = build(path, checkpoint)
    clips = [clip.to(check.device) for clip in make_clip(model, path, 2)]
    eager, model = (on_device(model, check.device) for _ in range(2))
    eager.amp = model.amp = amp
    compile_parts(model, cuda_graphs=True)
    start = time.perf_counter()
    model.forward_clips(clips[0])
    seconds = time.perf_counter() - start
    for _ in range(3):  # A CUDA graph is recorded, then replayed.
        for clip in clips:
            outputs = model.forward_clips(clip)
    expected = eager.forward_clips(clips[1])
    times = check.measure(
        *(lambda m=m: m.forward_clips(clips[1]) for m in (eager, model))
    )
    check.compare(
        f'compile, {name}',
        _compared(outputs, amp),
        _compared(expected, amp),
        HALF_BOUND if amp else BOUND,
        s_to_compile=seconds,
        ms_eager=times[0],
        ms_compiled=times[1],
    )
    if checkpoint is not None:
        _check_stream(check, name, eager, model)


def _compared(clip: ClipPrediction, amp: bool) -> list[Tensor]:
    """Choose what is compared: random weights amplify half precision."""
    return [clip.mask_feats.float()] if amp else tensors_of(clip)


def _check_stream(
    check: Checker, name: str, eager: MaXTron, compiled: MaXTron
) -> None:
    """Compare the results of a video whose stages are threads."""
    generator = torch.manual_seed(0)
    frames = torch.randint(
        0, 256, (12, 3, 96, 160), generator=generator
    ).byte()
    eager, compiled = (
        [
            comparable(frame)
            for clip in model.predict_stream(list(frames), (96, 160))
            for frame in clip
        ]
        for model in (eager, compiled)
    )
    same = sum(x == y for x, y in zip(eager, compiled))
    check.record(
        f'compile, {name}, video in threads',
        len(compiled) == 12,
        frames=len(compiled),
        equal_frames=same,
    )


def _check_training(check: Checker) -> None:
    """Compare a compiled training step with an uncompiled one."""
    results = []
    for is_compiled in (False, True):
        trainer = make_trainer(TINY['panoptic'][0], check.device)
        if is_compiled:
            compile_parts(trainer.model)
        results.append(make_step(trainer))
    (losses, grads), (actual, actual_grads) = results
    check.compare('compiled step, losses', actual, losses, BOUND)
    check.compare('compiled step, gradients', actual_grads, grads, 10 * BOUND)
