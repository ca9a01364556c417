# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""MMDetection's Mask2Former, of images or of clips."""

from .head import Mask2FormerClipHead

__all__ = ['Mask2FormerClipHead']
