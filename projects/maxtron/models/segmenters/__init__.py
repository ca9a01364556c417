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
from .mask2former import Mask2FormerClipHead
from .targets import TubeTargets, index_targets, mask_targets, semantic_targets
from .tube_link import TubeLinkHead

# Name in version 0.1, which segmenters of users import.
tube_masks = mask_targets

__all__ = [
    'AuxiliarySemanticLoss',
    'ClipSegmenter',
    'GumbelPixelSampler',
    'KMaXCriterion',
    'KMaXPixelDecoder',
    'KMaXSemanticHead',
    'KMaXTrackerHeads',
    'KMaXTransformerDecoder',
    'Mask2FormerClipHead',
    'PQClassLoss',
    'PixelInstanceLoss',
    'SimilarityMatcher',
    'TubeCrossEntropyLoss',
    'TubeDiceLoss',
    'TubeLinkHead',
    'TubeTargets',
    'VideoKMaXHead',
    'index_targets',
    'mask_targets',
    'semantic_targets',
    'tube_masks',
]
