# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What MMEngine lacks in setting up an optimizer."""

from .separate_mult_constructor import SeparateMultOptimWrapperConstructor

__all__ = ['SeparateMultOptimWrapperConstructor']
