# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Former place of :mod:`projects.maxtron.structures.map_files`."""

from ..structures import SegmentColors, write_id_map

__all__ = ['SegmentColors', 'write_id_map']
