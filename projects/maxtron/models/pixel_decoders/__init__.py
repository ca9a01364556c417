# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pixel decoders: backbone features to mask features and memories."""
from .axial_trajectory_pixel_decoder import AxialTrajectoryPixelDecoder
from .kmax_pixel_decoder import KMaXPixelDecoder

__all__ = ['AxialTrajectoryPixelDecoder', 'KMaXPixelDecoder']
