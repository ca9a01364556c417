# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Building blocks: plain modules without registry or config."""
from .axial_trajectory_deformable_encoder import (
    AxialTrajectoryDeformableAttention,
    AxialTrajectoryDeformableEncoder,
    AxialTrajectoryDeformableEncoderLayer,
)
from .axial_trajectory_encoder import (
    AxialTrajectoryEncoder,
    AxialTrajectoryLayer,
)
from .kmax_axial_attention import AxialAttention, SingleAxisAttention
from .kmax_decoder_layer import (
    KMaXDecoderLayer,
    KMaXSelfAttention,
    KMeansCrossAttention,
    kmeans_update,
)
from .kmax_layers import (
    KMAX_NORM_CFG,
    ConvNormAct,
    LayerNorm2d,
    build_kmax_norm,
    truncated_normal_init,
)
from .kmax_predictor import (
    KMaXPrediction,
    KMaXPredictor,
    KMaXQueryHeads,
    KMaXQueryPredictor,
)
from .temporal_aspp import TemporalASPP
from .trajectory_attention import SelfAttention, TrajectoryAttention

__all__ = [
    'AxialAttention', 'AxialTrajectoryDeformableAttention',
    'AxialTrajectoryDeformableEncoder',
    'AxialTrajectoryDeformableEncoderLayer', 'AxialTrajectoryEncoder',
    'AxialTrajectoryLayer', 'ConvNormAct', 'KMAX_NORM_CFG', 'KMaXDecoderLayer',
    'KMaXPrediction', 'KMaXPredictor', 'KMaXQueryHeads', 'KMaXQueryPredictor',
    'KMaXSelfAttention', 'KMeansCrossAttention', 'LayerNorm2d',
    'SelfAttention', 'SingleAxisAttention', 'TemporalASPP',
    'TrajectoryAttention', 'build_kmax_norm', 'kmeans_update',
    'truncated_normal_init'
]
