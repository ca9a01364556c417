# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Whole networks on the device and the CPU, and the results of videos."""

import warnings

from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.structures import ClipPrediction

import numpy as np
import torch
from pycocotools import mask as mask_utils
from torch import Tensor

from tools.deployment.export_onnx import read_frames

from .checker import Checker
from .models import (
    LARGE,
    OFFLINE_TINY,
    PRECISIONS,
    TINY,
    autocast,
    build,
    load_trained,
    make_clip,
    on_device,
    tensors_of,
)

# Largest relative difference (of norms) of the outputs of trained models, and
# largest share of the pixels of mask logits that get another query or sign.
BOUNDS = dict(fp32=1e-3, fp16=2e-2, bf16=1e-1)
SHARES = dict(fp32=2e-3, fp16=2e-2, bf16=5e-2)
RESULT_SHARE = 1e-4
# Random weights amplify rounding, to about 1e-4 in float32.
RANDOM_BOUND = 2e-2
NUM_FRAMES = 12


def run(check: Checker) -> None:
    """Compare trained small models, large random ones, and results."""
    for kind, (path, checkpoint) in TINY.items():
        with torch.no_grad():
            _compare_trained(check, kind, path, checkpoint)
        for config in (path, OFFLINE_TINY[kind]):
            with check.guard(f'results: {config.stem}'):
                _compare_results(check, kind, config, checkpoint)
    if not check.small:
        for name, path in LARGE.items():
            with check.guard(name), torch.no_grad():
                _compare_large(check, name, path)


def _compare_trained(check: Checker, kind: str, path, checkpoint) -> None:
    """Compare the network of a trained model in each precision."""
    model = build(path, checkpoint)
    (clip,) = make_clip(model, path)
    expected = model.forward_clips(clip)
    moved, clip = on_device(model, check.device), clip.to(check.device)
    for name, dtype in PRECISIONS.items():
        with check.guard(f'{kind}, {name}'):
            with autocast(check.device, dtype):
                actual = moved.forward_clips(clip)
            check.compare(
                f'{kind}, {name}',
                tensors_of(actual.float()),
                tensors_of(expected),
                BOUNDS[name],
            )
            check.compare_labels(
                f'{kind}, {name}, pixels',
                _pixels(actual, kind),
                _pixels(expected, kind),
                SHARES[name],
            )


def _pixels(clip: ClipPrediction, kind: str) -> Tensor:
    """Query of each pixel, or sign of each mask logit."""
    if kind == 'panoptic':
        return clip.mask_logits.argmax(1)
    return (clip.mask_logits > 0).int()


def _compare_large(check: Checker, name: str, path) -> None:
    """Compare a model of full size in float32; others must be finite."""
    model = build(path)
    (clip,) = make_clip(model, path)
    expected = model.forward_clips(clip)
    size = 'x'.join(map(str, clip.shape[1:]))
    moved, clip = on_device(model, check.device), clip.to(check.device)
    check.compare(
        f'{name} {size}, fp32',
        tensors_of(moved.forward_clips(clip)),
        tensors_of(expected),
        RANDOM_BOUND,
    )
    for precision in ('fp16', 'bf16'):
        with autocast(check.device, PRECISIONS[precision]):
            outputs = tensors_of(moved.forward_clips(clip))
        check.record(
            f'{name} {size}, {precision}, finite',
            all(bool(x.isfinite().all()) for x in outputs),
            largest=max(x.abs().max().item() for x in outputs),
        )


def _compare_results(check: Checker, kind: str, path, checkpoint) -> None:
    """Compare the results of a video, after linking and post-processing.

    Both devices see the same weights; those of a tracker are random.
    """
    frames = read_frames(None, NUM_FRAMES)
    model, results = build(path), []
    load_trained(model, checkpoint)
    for device in ('cpu', check.device):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of random weights
            inferencer = MaXTronInferencer(str(path), device=device)
        inferencer.model.load_state_dict(model.state_dict())
        results.append(list(inferencer(frames)))
    expected, actual = results
    if kind == 'panoptic':
        maps = [
            torch.from_numpy(
                np.stack([x.pred_panoptic_map.decode() for x in result])
            )
            for result in (actual, expected)
        ]
    else:
        maps = [_decode_instances(result) for result in (actual, expected)]
    check.compare_labels(
        f'results: {path.stem}',
        *maps,
        RESULT_SHARE,
        segments=len(maps[1].unique())
        if kind == 'panoptic'
        else maps[1].shape[-1],
    )


def _decode_instances(frames: list) -> Tensor:
    """Decode the masks of all frames, in the order of the results."""
    masks = [
        torch.from_numpy(mask_utils.decode(frame.pred_track_instances.masks))
        for frame in frames
    ]
    return torch.cat(masks, -1).int()  # (H, W, all instances)
