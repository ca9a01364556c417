# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention in several implementations."""

from .attention import multi_scale_deformable_attention
from .choice import IMPLEMENTATIONS, check_implementation

__all__ = [
    'IMPLEMENTATIONS',
    'check_implementation',
    'multi_scale_deformable_attention',
]
