# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video-kMaX: its decoders, losses and heads."""

from .axial_attention import AxialAttention, SingleAxisAttention
from .criterion import KMaXCriterion
from .decoder_layer import (
    KMaXDecoderLayer,
    KMaXSelfAttention,
    KMeansCrossAttention,
    kmeans_update,
)
from .layers import KMAX_NORM_CFG, ConvNormAct, build_kmax_norm
from .losses import (
    AuxiliarySemanticLoss,
    GumbelPixelSampler,
    PixelInstanceLoss,
    PQClassLoss,
    TubeCrossEntropyLoss,
    TubeDiceLoss,
)
from .matcher import SimilarityMatcher
from .pixel_decoder import KMaXPixelDecoder
from .predictor import (
    KMaXPrediction,
    KMaXPredictor,
    KMaXQueryHeads,
    KMaXQueryPredictor,
)
from .query_targets import QueryTargets, assign_tubes
from .semantic_head import KMaXSemanticHead
from .tracker_heads import KMaXTrackerHeads
from .transformer_decoder import KMaXTransformerDecoder
from .video_kmax_head import VideoKMaXHead

__all__ = [
    'AuxiliarySemanticLoss',
    'AxialAttention',
    'ConvNormAct',
    'GumbelPixelSampler',
    'KMAX_NORM_CFG',
    'KMaXCriterion',
    'KMaXDecoderLayer',
    'KMaXPixelDecoder',
    'KMaXPrediction',
    'KMaXPredictor',
    'KMaXQueryHeads',
    'KMaXQueryPredictor',
    'KMaXSelfAttention',
    'KMaXSemanticHead',
    'KMaXTrackerHeads',
    'KMaXTransformerDecoder',
    'KMeansCrossAttention',
    'PQClassLoss',
    'PixelInstanceLoss',
    'QueryTargets',
    'SimilarityMatcher',
    'SingleAxisAttention',
    'TubeCrossEntropyLoss',
    'TubeDiceLoss',
    'VideoKMaXHead',
    'assign_tubes',
    'build_kmax_norm',
    'kmeans_update',
]
