# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Layers and helpers that several parts of the model share."""

from .common import (
    EPS,
    LayerNorm2d,
    at_least_float32,
    channels_last,
    keep_buffers,
    product,
    runs_eagerly_on_cpu,
    short_softmax,
    truncated_normal_init,
)
from .faster_modules import use_faster_modules
from .ms_deform_attn import multi_scale_deformable_attention
from .sine_positions import sine_positions
from .size_cache import SizeCache

__all__ = [
    'EPS',
    'LayerNorm2d',
    'SizeCache',
    'at_least_float32',
    'channels_last',
    'keep_buffers',
    'multi_scale_deformable_attention',
    'product',
    'runs_eagerly_on_cpu',
    'short_softmax',
    'sine_positions',
    'truncated_normal_init',
    'use_faster_modules',
]
