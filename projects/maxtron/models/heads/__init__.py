# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from .maxtron_head import ClipShapes, MaXTronHead
from .tube_link_head import TubeLinkHead

__all__ = ['ClipShapes', 'MaXTronHead', 'TubeLinkHead']
