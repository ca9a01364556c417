# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tube-Link: Mask2Former on clips."""

from .head import TubeLinkHead
from .tube_masks import tube_masks

__all__ = ['TubeLinkHead', 'tube_masks']
