# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Model components: everything between frames and tracked masks."""

from ..structures import ClipPrediction
from .backbones import ConvNeXt
from .cross_clip import CrossClipTracker
from .data_preprocessor import ClipDataPreprocessor, PanopticClipPreprocessor
from .heads import MaXTronHead, MaXTronPanopticHead
from .image_maxtron import ImageMaXTron
from .maxtron import MaXTron
from .segmenters import (
    AuxiliarySemanticLoss,
    ClipSegmenter,
    GumbelPixelSampler,
    KMaXCriterion,
    KMaXSemanticHead,
    KMaXTransformerDecoder,
    Mask2FormerClipHead,
    PixelInstanceLoss,
    PQClassLoss,
    SimilarityMatcher,
    TubeCrossEntropyLoss,
    TubeDiceLoss,
    TubeLinkHead,
    VideoKMaXHead,
)
from .within_clip import AxialTrajectoryNeck, AxialTrajectoryPixelDecoder

__all__ = [
    'AuxiliarySemanticLoss',
    'AxialTrajectoryNeck',
    'AxialTrajectoryPixelDecoder',
    'ClipDataPreprocessor',
    'ClipPrediction',
    'ClipSegmenter',
    'ConvNeXt',
    'CrossClipTracker',
    'GumbelPixelSampler',
    'ImageMaXTron',
    'KMaXCriterion',
    'KMaXSemanticHead',
    'KMaXTransformerDecoder',
    'Mask2FormerClipHead',
    'MaXTron',
    'MaXTronHead',
    'MaXTronPanopticHead',
    'PQClassLoss',
    'PanopticClipPreprocessor',
    'PixelInstanceLoss',
    'SimilarityMatcher',
    'TubeCrossEntropyLoss',
    'TubeDiceLoss',
    'TubeLinkHead',
    'VideoKMaXHead',
]
