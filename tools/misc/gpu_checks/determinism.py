# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Repeated runs give equal results."""

from projects.maxtron.apis import MaXTronInferencer

import torch

from tools.deployment.export_onnx import read_frames

from .checker import Checker
from .models import (
    LARGE,
    PRECISIONS,
    TINY,
    autocast,
    build,
    make_clip,
    on_device,
    tensors_of,
)
from .steps import make_step, make_trainer

# Gradients are sums of atomic additions, whose order may change.
GRADIENT_BOUND = 1e-3


def run(check: Checker) -> None:
    """Repeat networks, videos and training steps."""
    paths = {kind: path for kind, (path, _) in TINY.items()}
    if not check.small:
        paths.update(LARGE)
    for name, path in paths.items():
        with check.guard(f'{name}, network'), torch.no_grad():
            _repeat_network(check, name, path)
    for kind, (path, checkpoint) in TINY.items():
        with check.guard(f'{kind}, video'):
            _repeat_video(check, kind, path, checkpoint)
        with check.guard(f'{kind}, training step'):
            losses, grads = zip(
                *(
                    make_step(make_trainer(path, check.device))
                    for _ in range(2)
                )
            )
            check.compare(f'{kind}, losses', *losses, GRADIENT_BOUND)
            check.compare(f'{kind}, gradients', *grads, GRADIENT_BOUND)


def _repeat_network(check: Checker, name: str, path) -> None:
    """Compare two passes of a network bit by bit."""
    model = build(path)
    (clip,) = make_clip(model, path)
    model, clip = on_device(model, check.device), clip.to(check.device)
    for precision in ('fp32', 'bf16' if check.small else 'fp16'):
        with autocast(check.device, PRECISIONS[precision]):
            first, second = (
                torch.cat([x.flatten() for x in tensors_of(clip_prediction)])
                for clip_prediction in (
                    model.forward_clips(clip).float() for _ in range(2)
                )
            )
        check.compare_labels(
            f'{name}, network, {precision}', first, second, 0.0
        )


def _repeat_video(check: Checker, kind: str, path, checkpoint) -> None:
    """Compare two results of a video, whose stages overlap."""
    inferencer = MaXTronInferencer(str(path), str(checkpoint), check.device)
    frames = read_frames(None, 12)
    first, second = (
        [comparable(frame) for frame in inferencer(frames)] for _ in range(2)
    )
    check.record(f'{kind}, video', first == second and len(first) == 12)


def comparable(frame) -> object:
    """Convert the result of a frame to a comparable form."""
    if 'pred_panoptic_map' in frame:
        return frame.pred_panoptic_map.decode().tobytes()
    result = frame.pred_track_instances
    return (
        result.instances_id.tolist(),
        result.scores.tolist(),
        [mask['counts'] for mask in result.masks],
    )
