# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Backbones that MMDetection does not have."""

from .convnext import ConvNeXt

__all__ = ['ConvNeXt']
