# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Clip-level segmenters: models that segment one clip."""

from .base import ClipSegmenter
from .kmax import (
    AuxiliarySemanticLoss,
    GumbelPixelSampler,
    KMaXCriterion,
    KMaXPixelDecoder,
    KMaXSemanticHead,
    KMaXTrackerHeads,
    KMaXTransformerDecoder,
    PixelInstanceLoss,
    PQClassLoss,
    SimilarityMatcher,
    TubeCrossEntropyLoss,
    TubeDiceLoss,
    VideoKMaXHead,
)
from .tube_link import TubeLinkHead, tube_masks
from .tube_targets import TubeTargets, semantic_targets, tube_targets

__all__ = [
    'AuxiliarySemanticLoss',
    'ClipSegmenter',
    'GumbelPixelSampler',
    'KMaXCriterion',
    'KMaXPixelDecoder',
    'KMaXSemanticHead',
    'KMaXTrackerHeads',
    'KMaXTransformerDecoder',
    'PQClassLoss',
    'PixelInstanceLoss',
    'SimilarityMatcher',
    'TubeCrossEntropyLoss',
    'TubeDiceLoss',
    'TubeLinkHead',
    'TubeTargets',
    'VideoKMaXHead',
    'semantic_targets',
    'tube_masks',
    'tube_targets',
]
