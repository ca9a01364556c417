# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Within-clip tracking: axial-trajectory attention (Sec. 3.2 of the paper)."""

from .axial_trajectory_encoder import (
    AxialTrajectoryEncoder,
    AxialTrajectoryLayer,
)
from .deformable_encoder import (
    AxialTrajectoryDeformableAttention,
    AxialTrajectoryDeformableEncoder,
    AxialTrajectoryDeformableEncoderLayer,
)
from .neck import AxialTrajectoryNeck
from .pixel_decoder import AxialTrajectoryPixelDecoder
from .trajectory_attention import SelfAttention, TrajectoryAttention

__all__ = [
    'AxialTrajectoryDeformableAttention',
    'AxialTrajectoryDeformableEncoder',
    'AxialTrajectoryDeformableEncoderLayer',
    'AxialTrajectoryEncoder',
    'AxialTrajectoryLayer',
    'AxialTrajectoryNeck',
    'AxialTrajectoryPixelDecoder',
    'SelfAttention',
    'TrajectoryAttention',
]
