# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Layers that several parts of the model share."""

from .common import LayerNorm2d, truncated_normal_init

__all__ = ['LayerNorm2d', 'truncated_normal_init']
