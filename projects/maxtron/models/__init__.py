# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Model components: everything between frames and tracked masks."""
from .backbones import ConvNeXt
from .clip_prediction import ClipPrediction
from .clip_segmenter import ClipSegmenter
from .data_preprocessor import ClipDataPreprocessor, PanopticClipPreprocessor
from .heads import (
    KMaXSemanticHead,
    MaXTronHead,
    MaXTronPanopticHead,
    TubeLinkHead,
    VideoKMaXHead,
)
from .image_maxtron import ImageMaXTron
from .losses import (
    AuxiliarySemanticLoss,
    KMaXCriterion,
    PixelInstanceLoss,
    PQClassLoss,
    TubeCrossEntropyLoss,
    TubeDiceLoss,
)
from .maxtron import MaXTron
from .necks import AxialTrajectoryNeck
from .pixel_decoders import AxialTrajectoryPixelDecoder
from .task_modules import GumbelPixelSampler, SimilarityMatcher
from .trackers import CrossClipTracker
from .transformer_decoders import KMaXTransformerDecoder

__all__ = [
    'AuxiliarySemanticLoss', 'AxialTrajectoryNeck',
    'AxialTrajectoryPixelDecoder', 'ClipDataPreprocessor',
    'ClipPrediction', 'ClipSegmenter', 'ConvNeXt', 'CrossClipTracker',
    'GumbelPixelSampler', 'ImageMaXTron', 'KMaXCriterion', 'KMaXSemanticHead',
    'KMaXTransformerDecoder', 'MaXTron', 'MaXTronHead',
    'MaXTronPanopticHead', 'PQClassLoss', 'PanopticClipPreprocessor',
    'PixelInstanceLoss', 'SimilarityMatcher', 'TubeCrossEntropyLoss',
    'TubeDiceLoss', 'TubeLinkHead', 'VideoKMaXHead'
]
