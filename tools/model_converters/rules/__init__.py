# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Old place of ``projects.maxtron.weights.conversion``."""

from projects.maxtron.weights.conversion import backbones, names_of, vis, vps
from projects.maxtron.weights.conversion.names import Names

__all__ = ['Names', 'backbones', 'names_of', 'vis', 'vps']
