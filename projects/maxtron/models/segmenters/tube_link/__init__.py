# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tube-Link: Mask2Former on clips."""

from .head import TubeLinkHead

__all__ = ['TubeLinkHead']
