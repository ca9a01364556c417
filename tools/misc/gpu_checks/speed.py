# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames per second, network only and end to end, at full sizes."""

import torch

from tools.benchmarks.benchmark_inference import (
    NETWORK,
    measure,
    measure_speed,
    parse_args,
    settings,
)

from .checker import Checker
from .models import LARGE, TINY, autocast, build, make_clip, on_device

FAST = ('--amp', '--channels-last', '--fuse-conv-bn')


def run(check: Checker) -> None:
    """Measure each model in float32 and with the options of inference."""
    paths = {kind: path for kind, (path, _) in TINY.items()}
    num_frames = 4
    if not check.small:
        paths, num_frames = LARGE, 60
    for name, path in paths.items():
        for label, options in (('fp32', ()), (' '.join(FAST), FAST)):
            with check.guard(f'{name}, {label}'):
                _measure(check, f'{name}, {label}', path, options, num_frames)
        with check.guard(f'{name}, one call'), torch.no_grad():
            _measure_call(check, name, path)


def _measure(check: Checker, case: str, path, options, frames: int) -> None:
    """Measure frames per second of a video, and the parts of a frame."""
    args = parse_args(
        [
            str(path),
            f'--device={check.device}',
            f'--threads={torch.get_num_threads()}',
            '--frames',
            str(frames),
            *options,
        ]
    )
    (setting,) = settings(args)
    row = measure(args, setting)
    speeds = measure_speed(args, setting)
    network = sum(row['seconds'][part] for part in NETWORK)
    speeds['network_only'] = 1 / network
    check.record(
        f'{case}, frames/s',
        all(value > 0 for value in speeds.values()),
        size='x'.join(map(str, row['size'])),
        **{name: float(f'{value:.4g}') for name, value in speeds.items()},
        peak_mib=round(row['peak_mib']),
        ms_a_frame={
            part: round(1e3 * value, 2)
            for part, value in row['seconds'].items()
        },
    )


def _measure_call(check: Checker, name: str, path) -> None:
    """Measure the network alone as most papers do: one call after another."""
    model = build(path)
    (clip,) = make_clip(model, path)
    model, clip = on_device(model, check.device), clip.to(check.device)
    dtype = torch.float16 if check.is_cuda else torch.bfloat16
    for label, precision in (('fp32', None), (str(dtype)[6:], dtype)):
        with autocast(check.device, precision):
            (ms,) = check.measure(lambda: model.forward_clips(clip))
        frames = clip.shape[1]
        check.record(
            f'{name}, one call, {label}',
            size='x'.join(map(str, clip.shape[1:])),
            ms_a_clip=ms,
            network_only=1e3 * frames / ms,
        )
