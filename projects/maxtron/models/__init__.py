# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Model components: everything between frames and tracked masks."""
from .clip_prediction import ClipPrediction
from .data_preprocessor import ClipDataPreprocessor, PanopticClipPreprocessor
from .heads import MaXTronHead, TubeLinkHead
from .image_maxtron import ImageMaXTron
from .maxtron import MaXTron
from .necks import AxialTrajectoryNeck
from .pixel_decoders import AxialTrajectoryPixelDecoder

__all__ = [
    'AxialTrajectoryNeck', 'AxialTrajectoryPixelDecoder',
    'ClipDataPreprocessor', 'ClipPrediction', 'ImageMaXTron', 'MaXTron',
    'MaXTronHead', 'PanopticClipPreprocessor', 'TubeLinkHead'
]
