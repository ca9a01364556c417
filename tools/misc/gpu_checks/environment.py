# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Versions, and the two rates that bound every time: copies and products."""

import importlib.metadata
import os
import subprocess

from projects.maxtron._mmcv_lite import has_compiled_operators

import torch

from .checker import Checker

_PACKAGES = (
    'torch triton numpy onedl-mmengine mmengine onedl-mmdetection mmdet '
    'onedl-mmcv mmcv-lite mmcv opencv-python opencv-python-headless '
    'pycocotools onnxruntime-gpu'
).split()


def run(check: Checker) -> None:
    """Record versions and rates."""
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        check.record(name, value=version)
    check.record("MMCV's operators", value=has_compiled_operators())
    check.record('CPU cores', value=os.cpu_count())
    if check.is_cuda:
        properties = torch.cuda.get_device_properties(check.device)
        check.record('GPU', value=properties.name)
        check.record('GPU memory, GiB', value=properties.total_memory / 2**30)
        check.record('CUDA', value=torch.version.cuda)
        check.record('cuDNN', value=torch.backends.cudnn.version())
        check.record('driver and clocks', value=_driver())
    _measure_rates(check)


def _driver() -> str:
    """Ask nvidia-smi for the driver and the clocks."""
    query = 'driver_version,clocks.sm,clocks.mem,power.limit,temperature.gpu'
    try:
        return subprocess.run(
            ['nvidia-smi', f'--query-gpu={query}', '--format=csv,noheader'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)


def _measure_rates(check: Checker) -> None:
    """Measure a copy and matrix products; check a product."""
    size = 256 if check.small else 8192
    x, y = (
        torch.randn(size, size, generator=torch.manual_seed(seed))
        for seed in (0, 1)
    )
    part = slice(0, 16)
    expected = x[part].double() @ y.double()
    x, y = x.to(check.device), y.to(check.device)
    out = torch.empty_like(x)
    (ms,) = check.measure(lambda: out.copy_(x))
    rate = 2 * out.nbytes / ms / 1e6
    check.record('copy, GB/s read and written', value=rate)
    for dtype, bound in (
        (torch.float32, 1e-5),
        (torch.float16, 1e-2),
        (torch.bfloat16, 3e-2),
    ):
        a, b = x.to(dtype), y.to(dtype)
        (ms,) = check.measure(lambda a=a, b=b: a @ b)
        check.compare(
            f'product of {size} x {size}, {str(dtype)[6:]}',
            (a @ b)[part],
            expected,
            bound,
            tflops=2 * size**3 / ms / 1e9,
        )
