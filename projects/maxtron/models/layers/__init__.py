# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Layers and helpers that several parts of the model share."""

from .common import (
    EPS,
    LayerNorm2d,
    at_least_float32,
    channels_last,
    keep_buffers,
    truncated_normal_init,
)
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
    'sine_positions',
    'truncated_normal_init',
]
