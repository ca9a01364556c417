# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Panoptic merge, instance masks and linking: results, time and waits."""

import argparse
import operator
import warnings

from projects.maxtron.structures import ClipPrediction, ClipShapes

import numpy as np
import torch
from pycocotools import mask as mask_utils

from tools.benchmarks import benchmark_instances, benchmark_panoptic_merge
from tools.benchmarks.synthetic_predictions import SyntheticPredictions

from .checker import Checker
from .models import TINY, build, on_device

# Share of pixels at which rounding may decide.
BOUND = 1e-5


@torch.no_grad()
def run(check: Checker) -> None:
    """Compare the device with the CPU, measure, and count waits."""
    with check.guard('panoptic merge'):
        _check_merge(check)
    for case in benchmark_instances.CASES[: 1 if check.small else None]:
        with check.guard(f'instance masks {case.name}'):
            _check_masks(check, case)
    for kind in TINY:
        with check.guard(f'waits of a clip, {kind}'):
            _count_waits(check, kind)


def _options(device: str, small: bool) -> argparse.Namespace:
    """Make the arguments of the benchmarks."""
    queries, segments = (8, 4) if small else (128, 30)
    return argparse.Namespace(
        device=device,
        thresholds='convnext',
        num_queries=queries,
        num_segments=segments,
    )


def _check_merge(check: Checker) -> None:
    """Compare the maps of a video of 4 frames of 720x1280."""
    case = benchmark_panoptic_merge.CASES[0]
    if check.small:
        case = benchmark_panoptic_merge.Case('small', 2, (72, 128), (72, 128))
    work, on_cpu = (
        benchmark_panoptic_merge.Workload(case, _options(device, check.small))
        for device in (check.device, 'cpu')
    )
    actual, expected = (
        torch.from_numpy(np.stack([x.decode() for x in w.ours().maps]))
        for w in (work, on_cpu)
    )
    check.compare_labels(
        f'panoptic merge {case.name}',
        actual,
        expected,
        BOUND,
        ms_a_frame=check.measure(work.ours)[0] / case.num_frames,
    )


def _check_masks(check: Checker, case: benchmark_instances.Case) -> None:
    """Compare the strings of the masks of a frame of 720x1280."""
    work, on_cpu = (
        benchmark_instances.Workload(case, _options(device, check.small))
        for device in (check.device, 'cpu')
    )
    ours, expected = work.ours(), on_cpu.ours()
    check.compare_labels(
        f'instance masks {case.name}',
        *(torch.from_numpy(mask_utils.decode(x)) for x in (ours, expected)),
        BOUND,
        strings_that_differ=sum(map(operator.ne, ours, expected)),
        ms_a_frame=check.measure(work.ours)[0],
    )


def _count_waits(check: Checker, kind: str) -> None:
    """Count how often linking and post-processing of a clip wait."""
    head = on_device(build(*TINY[kind]), check.device).head
    length, queries = head.clip_len, head.segmenter.num_queries
    synthetic = SyntheticPredictions(5)
    video = head.start_video()
    shapes = ClipShapes((96, 160), (96, 160), (96, 160), length)
    for _ in range(2):
        clip = ClipPrediction(
            cls_logits=torch.zeros(1, queries, head.num_classes + 1),
            mask_logits=torch.zeros(1, queries, length, 24, 40),
            queries=torch.ones(1, queries, 8),
            embeds=torch.zeros(1, queries, 8),
        )
        synthetic.replace_clip(clip, with_masks=True)
        for name in ('cls_logits', 'mask_logits', 'queries', 'embeds'):
            setattr(clip, name, getattr(clip, name).to(check.device))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            if check.is_cuda:
                torch.cuda.set_sync_debug_mode('warn')
            results = video.update(clip, shapes)
            if check.is_cuda:
                torch.cuda.set_sync_debug_mode('default')
        waits = sum('synchroniz' in str(x.message) for x in caught)
    check.record(
        f'waits of a clip of {length} frames, {kind}',
        value=waits if check.is_cuda else 'not counted on a CPU',
        results=len(results),
    )
